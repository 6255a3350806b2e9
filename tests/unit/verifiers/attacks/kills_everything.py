# does: kills every process that it can
# kind: stdin
# expects: wrong wrong answer|exception|forbidden|time
# blocked: signal
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os, signal
os.kill(-1, signal.SIGKILL)
os.kill(0, signal.SIGKILL)
