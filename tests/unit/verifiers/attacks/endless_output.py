# does: prints for ever
# kind: stdin
# expects: wrong output
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
while True:
    print('x' * 1000)
