# does: makes files without end
# kind: stdin
# expects: wrong output|time|exception
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import itertools
for number in itertools.count():
    open(str(number), 'w').write('x' * 5000)
