# does: enters system calls through a queue that filters do not see
# kind: stdin
# expects: right
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import ctypes
libc = ctypes.CDLL(None)
if libc.syscall(425, 8, ctypes.create_string_buffer(128)) >= 0:
    print("made")
if libc.syscall(321, 0, None, 0) >= 0 or libc.syscall(298, None, 0, 0, 0, 0) >= 0:
    print("made")
print(a + b)
