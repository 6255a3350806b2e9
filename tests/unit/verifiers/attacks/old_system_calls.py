# does: uses the numbers of another system call table
# kind: stdin
# expects: right
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import ctypes
libc = ctypes.CDLL(None)
if libc.syscall(0x40000000 + 41, 2, 1, 0) >= 0:
    print("made")
print(a + b)
