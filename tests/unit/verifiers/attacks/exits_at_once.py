# does: ends without any cleaning up
# kind: stdin
# expects: wrong wrong answer
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
print(a + b)
os._exit(0)
