# does: replaces what writes its result
# kind: call
# expects: wrong wrong answer
import gc
import types

for found in gc.get_objects():
    if isinstance(found, types.FunctionType) and found.__name__ == "_encode":
        found.__code__ = (lambda value: ["other", "anything"]).__code__

def add(a, b):
    return 4
