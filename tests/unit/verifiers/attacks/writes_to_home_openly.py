# does: writes outside and does not expect a refusal
# kind: stdin
# expects: wrong forbidden
# blocked: file
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
open(folder + '/.z1-was-here', 'w').write('x')
print(a + b)
