# does: empties a file outside without opening it
# kind: stdin
# expects: right
# blocked: file
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
try:
    os.truncate(folder + "/secret", 0)
except OSError:
    pass
print(a + b)
