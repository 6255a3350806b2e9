# does: prints to standard error for ever
# kind: stdin
# expects: wrong time
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import sys
while True:
    print('x' * 1000, file=sys.stderr)
