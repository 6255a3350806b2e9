# does: prints a made-up result instead of returning it
# kind: call
# expects: wrong wrong answer
import os

def add(a, b):
    for number in range(3, 256):
        try:
            os.write(number, b'{"result": 3}\n')
        except OSError:
            pass
    return 4
