# does: closes every descriptor it has
# kind: stdin
# expects: wrong wrong answer|exception
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
os.closerange(0, 4096)
print(a + b)
