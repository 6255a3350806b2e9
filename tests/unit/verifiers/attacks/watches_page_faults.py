# does: handles page faults of its own, to hold up the kernel
# kind: stdin
# expects: right
a, b = map(int, input().split())
import ctypes, os
libc = ctypes.CDLL(None)
if libc.syscall(323, 1) >= 0:
    print('it could')
print(a + b)
