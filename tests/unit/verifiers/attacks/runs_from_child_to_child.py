# does: goes on in a new child again and again
# kind: stdin
# expects: wrong wrong answer|time|exception
import os
while True:
    if os.fork():
        os._exit(0)
    os.setsid()
