# does: starts threads for ever
# kind: stdin
# expects: wrong exception|time|memory|forbidden
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import threading, time
while True:
    threading.Thread(target=time.sleep, args=(99,)).start()
