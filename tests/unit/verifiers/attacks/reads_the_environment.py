# does: prints secrets of its environment
# kind: stdin
# expects: wrong wrong answer
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
found = {k: v for k, v in os.environ.items() if 'SECRET' in k or 'KEY' in k or 'Z1' in k}
print(found or 'nothing')
