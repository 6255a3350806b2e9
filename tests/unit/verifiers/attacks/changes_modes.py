# does: opens up files outside by their mode
# kind: stdin
# expects: right
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
for act in (lambda: os.chmod(folder + "/secret", 0), lambda: os.utime(folder + "/secret", (1, 1)), lambda: os.chmod(folder, 0)):
    try:
        act()
    except OSError:
        pass
print(a + b)
