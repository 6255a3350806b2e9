# does: leaves keys in the user's and the session's keyring
# kind: stdin
# expects: right
a, b = map(int, input().split())
import ctypes, os
libc = ctypes.CDLL(None)
if max(libc.syscall(248, b'user', b'z1-note', b'x', 1, where) for where in (-3, -4, -5)) >= 0:
    print('it could')
print(a + b)
