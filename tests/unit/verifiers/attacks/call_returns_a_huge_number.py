# does: returns a number that Python does not write out
# kind: call
# expects: wrong wrong answer
def add(a, b):
    return 10**10_000
