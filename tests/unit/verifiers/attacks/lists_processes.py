# does: looks for processes of the user
# kind: stdin
# expects: wrong wrong answer
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
try:
    pids = [int(name) for name in os.listdir('/proc') if name.isdigit()]
except OSError:
    pids = []
print('seen' if judge in pids and judge > 64 else 'nothing')
