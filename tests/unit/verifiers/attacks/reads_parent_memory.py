# does: reads the memory of its parent and the judge
# kind: stdin
# expects: wrong wrong answer
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
found = []
for pid in {os.getppid(), judge, 1}:
    for name in ('mem', 'maps', 'cmdline', 'fd'):
        try:
            path = f'/proc/{pid}/{name}'
            found.append(os.listdir(path) if name == 'fd' else open(path, 'rb').read(100) if name != 'cmdline' else None)
        except OSError:
            pass
print('leaked' if any(found) else 'nothing')
