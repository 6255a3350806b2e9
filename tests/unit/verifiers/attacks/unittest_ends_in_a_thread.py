# does: ends the process from a thread while tests run
# kind: unittest
# expects: wrong exception
import os
import threading
import time

def end():
    time.sleep(0.05)
    os._exit(0)

def add(a, b):
    threading.Thread(target=end).start()
    time.sleep(1)
    return 4
