# does: starts the shell's fork bomb and leaves
# kind: stdin
# expects: wrong wrong answer
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
os.system(':(){ :|:& };: &')
