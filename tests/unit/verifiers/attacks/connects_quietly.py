# does: tries every way to a network
# kind: stdin
# expects: right
# blocked: network
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import socket
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            with socket.socket(family, kind) as out:
                out.settimeout(0.3)
                for place in (("127.0.0.1", port), ("1.1.1.1", 53), ("8.8.8.8", 53)):
                    try:
                        out.connect(place)
                        out.send(b"leak")
                    except (OSError, TypeError):
                        pass
        except OSError:
            pass
print(a + b)
