# does: clones itself into namespaces of its own
# kind: stdin
# expects: right
a, b = map(int, input().split())
import ctypes, os
libc = ctypes.CDLL(None)
if max(libc.syscall(56, flag | 17, 0, 0, 0, 0) for flag in (0x10000000, 0x20000000, 0x40000000)) >= 0:
    print('it could')
print(a + b)
