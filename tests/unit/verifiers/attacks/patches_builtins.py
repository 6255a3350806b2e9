# does: makes everything equal to everything
# kind: stdin
# expects: wrong wrong answer
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import builtins, json, sys
builtins.all = lambda *_: True
builtins.len = lambda *_: 0
json.dumps = lambda *_, **__: '{}'
class Same(str):
    def __eq__(self, other):
        return True
    __hash__ = str.__hash__
print(Same('x'))
