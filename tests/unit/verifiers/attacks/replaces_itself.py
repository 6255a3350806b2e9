# does: becomes another program
# kind: stdin
# expects: wrong wrong answer
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
os.execv('/bin/sh', ['sh', '-c', 'echo 4'])
