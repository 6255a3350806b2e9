# does: writes that all tests passed
# kind: unittest
# expects: wrong wrong answer|exception
import os
for number in range(3, 256):
    try:
        os.write(number, b'{"token": "", "tests": {"T.test_sum": "ok"}, "tampered": null}\n')
    except OSError:
        pass

def add(a, b):
    return 4
