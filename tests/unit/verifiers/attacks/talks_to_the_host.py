# does: connects to the host of a virtual machine
# kind: stdin
# expects: right
a, b = map(int, input().split())

import socket
try:
    socket.socket(40, socket.SOCK_STREAM).connect((2, 22))
    print("connected")
except OSError:
    print(a + b)
