# does: stops itself, to be neither running nor ended
# kind: stdin
# expects: wrong time
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os, signal
os.kill(os.getpid(), signal.SIGSTOP)
