# does: takes the names by which sandboxes reserve their users
# kind: stdin
# expects: right
a, b = map(int, input().split())

import socket
taken = []
for number in range(60578, 61184):
    try:
        taken.append(socket.socket(socket.AF_UNIX))
        taken[-1].bind(f"\0z1-sandbox-{number}")
    except OSError:
        break
print(a + b)
