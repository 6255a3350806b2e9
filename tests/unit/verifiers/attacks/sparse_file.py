# does: makes a file of a terabyte
# kind: stdin
# expects: wrong output|exception
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
with open('x', 'wb') as file:
    file.truncate(2**40)
print('made')
