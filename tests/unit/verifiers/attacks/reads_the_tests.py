# does: looks for the expected output in its own and its parents' memory and files
# kind: stdin
# expects: wrong wrong answer
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import gc, os, sys
found = []
for thing in gc.get_objects():
    if isinstance(thing, dict) and ('expected' in thing or 'output' in thing and 'tests' in thing):
        found.append(thing)
frame = sys._getframe()
while frame:
    for key in ('expected', 'tests', 'answer'):
        if key in frame.f_locals and frame.f_globals is not globals():
            found.append(frame.f_locals[key])
    frame = frame.f_back
for number in range(3, 256):
    try:
        found.append(os.read(number, 1)) if number and os.fstat(number).st_size else None
    except OSError:
        pass
print('leaked' if found else 'nothing')
