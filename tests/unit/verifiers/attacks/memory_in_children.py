# does: fills the memory from many processes, each within its limit
# kind: stdin
# expects: wrong memory|time
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os, time
for _ in range(8):
    if os.fork() == 0:
        held = bytearray(b'x') * (100 * 2**20)
        time.sleep(99)
time.sleep(99)
