# does: writes to the home folder
# kind: stdin
# expects: right
# blocked: file
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
for place in ("/root", "/home", os.path.expanduser("~root"), folder):
    try:
        open(os.path.join(place, ".z1-was-here"), "w").write("x")
    except OSError:
        pass
print(a + b)
