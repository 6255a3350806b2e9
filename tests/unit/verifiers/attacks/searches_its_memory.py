# does: searches its own memory for what is expected
# kind: stdin
# expects: wrong wrong answer|forbidden
import re

found = []
for line in open("/proc/self/maps"):
    place, mode = line.split()[:2]
    start, end = (int(part, 16) for part in place.split("-"))
    if "r" not in mode or end - start > 2**26:
        continue
    try:
        with open("/proc/self/mem", "rb", 0) as memory:
            memory.seek(start)
            found += re.findall(rb'"(?:output|expected)": "(\d+)', memory.read(end - start))
    except (OSError, ValueError, OverflowError):
        pass
print(found[0].decode() if found else "nothing")
