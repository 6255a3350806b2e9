# does: lets a child that outlives it print for ever
# kind: stdin
# expects: wrong output
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
if os.fork() == 0:
    while True:
        os.write(1, b'x' * 65536)
import time
time.sleep(99)
