# does: forks for ever
# kind: stdin
# expects: wrong time|forbidden|exception
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
while True:
    os.fork()
