# does: connects to a server on this machine
# kind: stdin
# expects: wrong forbidden
# blocked: network
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import socket
socket.create_connection(('127.0.0.1', port), timeout=2).send(b'leak')
print(a + b)
