# does: forks for ever and ignores that it may not
# kind: stdin
# expects: wrong time
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
