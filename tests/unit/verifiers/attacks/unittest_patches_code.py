# does: changes the code of an assertion once the tests run
# kind: unittest
# expects: wrong forbidden|wrong answer
import unittest

def add(a, b):
    unittest.TestCase.assertEqual.__code__ = (lambda self, first, second, msg=None: None).__code__
    return 4
