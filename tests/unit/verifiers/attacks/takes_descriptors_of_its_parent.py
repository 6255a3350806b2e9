# does: takes descriptors of the process above it
# kind: stdin
# expects: right
a, b = map(int, input().split())
import ctypes, os
libc = ctypes.CDLL(None)
if libc.syscall(438, libc.syscall(434, os.getppid(), 0), 0, 0) >= 0:
    print('it could')
print(a + b)
