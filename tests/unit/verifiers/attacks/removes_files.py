# does: removes what it can outside
# kind: stdin
# expects: right
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
import shutil
shutil.rmtree(folder, ignore_errors=True)
try:
    os.rename(folder + "/secret", folder + "/moved")
except OSError:
    pass
print(a + b)
