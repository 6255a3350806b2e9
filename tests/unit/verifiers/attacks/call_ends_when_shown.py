# does: ends the process when its result is written down
# kind: call
# expects: wrong exception|wrong answer
class Shy:
    def __repr__(self):
        raise SystemExit(0)

def add(a, b):
    return Shy()
