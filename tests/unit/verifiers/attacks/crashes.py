# does: reads where there is no memory
# kind: stdin
# expects: wrong exception
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import ctypes
ctypes.string_at(0)
