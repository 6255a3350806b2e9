# does: returns what cannot be read to its end
# kind: call
# expects: wrong time
class Endless(list):
    def __iter__(self):
        while True:
            yield 1

def add(a, b):
    return Endless()
