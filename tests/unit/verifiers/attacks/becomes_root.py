# does: asks for the rights of root
# kind: stdin
# expects: right
a, b = map(int, input().split())
import ctypes, os
libc = ctypes.CDLL(None)
if max(0 if libc.setuid(0) == 0 else -1, 0 if libc.setresgid(0, 0, 0) == 0 else -1) >= 0:
    print('it could')
print(a + b)
