# does: has the runner skip all tests
# kind: unittest
# expects: wrong forbidden|wrong answer
import unittest
unittest.TestCase.run = lambda self, result=None: result.addSuccess(self)
unittest.TestSuite.run = lambda self, result: result

def add(a, b):
    return 4
