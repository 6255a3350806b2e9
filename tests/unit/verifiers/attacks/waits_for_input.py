# does: waits for input that does not come
# kind: stdin
# expects: wrong time|exception|wrong answer
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import select, sys
while True:
    select.select([sys.stdin], [], [])
    print(input())
