# does: answers and then fails
# kind: stdin
# expects: wrong exception
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
print(a + b)
raise SystemExit(1)
