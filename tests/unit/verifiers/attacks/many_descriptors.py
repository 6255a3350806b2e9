# does: opens files without end
# kind: stdin
# expects: wrong exception
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
held = []
while True:
    held.append(open('/dev/null'))
