# does: computes for ever and ignores every signal
# kind: stdin
# expects: wrong time
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    pass
