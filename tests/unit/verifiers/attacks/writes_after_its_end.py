# does: prints from an orphan after its own end
# kind: stdin
# expects: wrong wrong answer
import os
import time
if os.fork() == 0:
    os.setsid()
    time.sleep(0.5)
    os.write(1, b"3")
os._exit(0)
