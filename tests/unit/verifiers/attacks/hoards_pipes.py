# does: fills pipes with what counts as nobody's memory
# kind: stdin
# expects: wrong wrong answer|memory|exception|time
import fcntl
import os
kept = []
try:
    while True:
        kept.append(os.pipe())
        os.set_blocking(kept[-1][1], False)
        try:
            fcntl.fcntl(kept[-1][1], 1031, 2**20)
        except OSError:
            pass
        os.write(kept[-1][1], b"x" * 2**20)
except OSError:
    pass
