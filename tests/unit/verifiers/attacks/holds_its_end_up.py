# does: loops when its objects are removed
# kind: stdin
# expects: wrong time
a, b = map(int, input().split())
class Held:
    def __del__(self):
        while True:
            pass
held = Held()
print(a + b)
