# does: recurses for ever
# kind: stdin
# expects: wrong exception
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
def down():
    return down() + 1
print(down())
