# does: allocates for ever
# kind: stdin
# expects: wrong memory
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
held = []
while True:
    held.append(bytearray(2**24))
