# does: writes one endless line past Python's buffers
# kind: stdin
# expects: wrong output
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
while True:
    os.write(1, b'x' * 65536)
