# does: reaches outside by relative paths
# kind: stdin
# expects: wrong wrong answer
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
found = []
for depth in range(1, 9):
    try:
        found.append(open('../' * depth + folder.lstrip('/') + '/secret').read())
    except OSError:
        pass
print('leaked' if found else 'nothing')
