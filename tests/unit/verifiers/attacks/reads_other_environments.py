# does: looks for secrets in the environment of other processes
# kind: stdin
# expects: wrong wrong answer
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import glob
found = b''
for path in glob.glob('/proc/*/environ') + [f'/proc/{judge}/environ']:
    try:
        found += open(path, 'rb').read()
    except OSError:
        pass
print('leaked' if b'Z1_SECRET' in found else 'nothing')
