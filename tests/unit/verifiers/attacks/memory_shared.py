# does: fills shared memory
# kind: stdin
# expects: wrong memory|time|output|exception|forbidden
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import mmap, time
held = []
for _ in range(100):
    area = mmap.mmap(-1, 2**24)
    area.write(b'x' * 2**24)
    held.append(area)
print('shared')
