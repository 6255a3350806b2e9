# does: writes a file without end
# kind: stdin
# expects: wrong output|forbidden|exception
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
with open('x', 'wb') as file:
    while True:
        file.write(b'x' * 2**20)
