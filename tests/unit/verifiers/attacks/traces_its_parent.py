# does: attaches to its parent as a debugger
# kind: stdin
# expects: right
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for pid in (os.getppid(), judge, 1):
    if libc.ptrace(16, pid, None, None) == 0:
        print("attached")
    area = ctypes.create_string_buffer(8)
print(a + b)
