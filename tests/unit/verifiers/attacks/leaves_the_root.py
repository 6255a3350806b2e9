# does: changes its root folder and mounts
# kind: stdin
# expects: right
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import ctypes, os
libc = ctypes.CDLL(None)
for act in (lambda: os.chroot("."), lambda: os.setuid(0) and None, lambda: os.setgroups([0])):
    try:
        act()
    except OSError:
        pass
if libc.mount(b"none", b".", b"tmpfs", 0, None) == 0 or libc.unshare(0x10000000) == 0 or os.getuid() == 0:
    print("free")
print(a + b)
