# does: opens kinds of sockets that no namespace parts
# kind: stdin
# expects: right
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import socket
for family in (socket.AF_PACKET, getattr(socket, "AF_VSOCK", 40), getattr(socket, "AF_ALG", 38), socket.AF_INET):
    try:
        socket.socket(family, socket.SOCK_RAW).close()
        if family != socket.AF_INET:
            print("opened", family)
    except OSError:
        pass
print(a + b)
