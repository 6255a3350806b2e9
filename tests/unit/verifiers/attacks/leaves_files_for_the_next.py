# does: leaves files in every place for the next program
# kind: stdin
# expects: wrong wrong answer
import os

found = []
for place in (".", "/tmp", "/dev/shm", "/var/tmp"):
    try:
        found += [name for name in os.listdir(place) if name.startswith("note")]
        open(place + "/note", "w").write("x")
    except OSError:
        pass
print("found" if found else "nothing")
