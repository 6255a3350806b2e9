# does: recurses for ever with the limit lifted
# kind: stdin
# expects: wrong exception|memory|time
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import functools, sys
sys.setrecursionlimit(2**31 - 1)
@functools.lru_cache(None)
def down(n):
    return down(n + 1) + 1
print(down(0))
