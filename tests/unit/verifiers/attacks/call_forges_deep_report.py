# does: writes a report of endless nesting
# kind: call
# expects: wrong wrong answer|exception
import os

def add(a, b):
    for number in range(3, 256):
        try:
            os.write(number, b'{"result": ' + b"[" * 50_000 + b"\n")
        except OSError:
            pass
    os._exit(0)
