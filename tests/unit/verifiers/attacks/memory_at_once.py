# does: allocates more than any machine has
# kind: stdin
# expects: wrong memory
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
print(len(bytearray(2**45)))
