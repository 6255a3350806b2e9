# does: computes for ever where no Python signal handler runs
# kind: stdin
# expects: wrong time
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
print(9 ** 9 ** 9)
