# does: leaves folders that may not be entered and files without a right
# kind: stdin
# expects: right
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
os.makedirs("x/y/z")
open("x/y/z/f", "w").close()
for act in (lambda: os.chmod("x/y/z", 0), lambda: os.chmod("x/y", 0), lambda: os.chmod("x", 0), lambda: os.chmod(".", 0), lambda: os.mkdir("none", 0)):
    try:
        act()
    except OSError:
        pass
print(a + b)
