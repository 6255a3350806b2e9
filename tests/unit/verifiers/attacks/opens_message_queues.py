# does: leaves a message queue behind
# kind: stdin
# expects: right
a, b = map(int, input().split())
import ctypes, os
libc = ctypes.CDLL(None)
if max(libc.mq_open(b'/z1-note', 0o102, 0o600, None), libc.syscall(68, 4711, 0o1666)) >= 0:
    print('it could')
print(a + b)
