# does: returns something equal to everything
# kind: call
# expects: wrong wrong answer
class Same(int):
    def __eq__(self, other):
        return True
    __hash__ = int.__hash__

def add(a, b):
    return Same(4)
