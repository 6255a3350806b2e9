# does: keeps memory where no process is charged for it
# kind: stdin
# expects: wrong exception|forbidden|wrong answer
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
held = []
for _ in range(100):
    file = os.memfd_create('x')
    os.write(file, b'x' * 2**22)
    held.append(file)
print('hidden')
