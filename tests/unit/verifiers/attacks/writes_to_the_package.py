# does: writes into installed packages
# kind: stdin
# expects: right
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import json, os, sys
for place in sys.path + [os.path.dirname(json.__file__)]:
    try:
        open(os.path.join(place, "z1_was_here.py"), "w").write("x")
    except OSError:
        pass
try:
    open(json.__file__, "a").write("x")
except OSError:
    pass
print(a + b)
