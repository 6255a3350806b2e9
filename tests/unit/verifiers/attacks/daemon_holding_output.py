# does: leaves a daemon that keeps standard output open
# kind: stdin
# expects: right
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(10**6)
print(a + b)
