# does: leaves files of odd names, pipes and sockets
# kind: stdin
# expects: right
a, b = map(int, input().split())

import os
import socket
for name in (b"\xff\xfe", b"a\nb", b"-rf", b"x" * 255, b".moved-0"):
    open(name, "w").close()
os.mkfifo("pipe")
os.mkdir(".moved-1")
try:
    socket.socket(socket.AF_UNIX).bind("socket")
except OSError:
    pass
print(a + b)
