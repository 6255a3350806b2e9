# does: prints what is no text
# kind: stdin
# expects: wrong wrong answer|output
import os
for _ in range(100):
    os.write(1, b"\0\xff\xfe\r\n" * 1000)
