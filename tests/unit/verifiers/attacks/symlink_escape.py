# does: reaches outside through links
# kind: stdin
# expects: right
# blocked: file
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
found = []
for name, target in (("a", folder), ("b", "/root"), ("c", "/proc/1/root"), ("d", folder + "/secret")):
    try:
        os.symlink(target, name)
        found.append(open(name + ("/secret" if name != "d" else "")).read())
    except OSError:
        pass
try:
    os.link(folder + "/secret", "hard")
    found.append(open("hard").read())
except OSError:
    pass
if found:
    print("leaked")
print(a + b)
