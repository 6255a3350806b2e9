# does: nests folders too deep for a path
# kind: stdin
# expects: right
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
for _ in range(2000):
    os.mkdir("d" * 100)
    os.chdir("d" * 100)
print(a + b)
