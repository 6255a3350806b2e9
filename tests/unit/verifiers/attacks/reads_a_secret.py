# does: reads a file outside
# kind: stdin
# expects: wrong forbidden
# blocked: file
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
print(open(folder + '/secret').read())
