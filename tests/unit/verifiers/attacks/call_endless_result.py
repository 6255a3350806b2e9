# does: returns something without end
# kind: call
# expects: wrong memory|output|time|exception|wrong answer
def add(a, b):
    found = []
    found.append(found)
    return found
