# does: kills the judge and its own parent
# kind: stdin
# expects: right
# blocked: signal
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os, signal
for pid in (judge, os.getppid(), -1, 1):
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP):
        try:
            if pid != -1:
                os.kill(pid, number)
        except OSError:
            pass
print(a + b)
