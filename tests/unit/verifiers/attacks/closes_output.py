# does: closes standard output
# kind: stdin
# expects: wrong wrong answer
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os, sys
sys.stdout.close()
os.close(1)
