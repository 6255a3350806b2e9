# does: kills its parent, then answers
# kind: call
# expects: right
# blocked: signal
import os

def add(a, b):
    try:
        os.kill(os.getppid(), 9)
    except OSError:
        pass
    return a + b
