# does: brings tests of its own under the tests' name
# kind: unittest
# expects: wrong wrong answer|exception|forbidden
import unittest

class T(unittest.TestCase):
    def test_sum(self):
        pass

def add(a, b):
    return 4
