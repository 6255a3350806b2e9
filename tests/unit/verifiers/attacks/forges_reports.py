# does: writes made-up results to every descriptor
# kind: stdin
# expects: wrong wrong answer|exception|output|time
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
for number in range(3, 1024):
    try:
        os.write(number, b'{"result": 3, "tests": {}, "ready": true}\n{"stopped": null, "clean": true}\n' * 5)
    except OSError:
        pass
print('forged')
