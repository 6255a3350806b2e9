# does: prints the answer to the one test that it was shown
# kind: stdin
# expects: wrong wrong answer
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
print(3)
