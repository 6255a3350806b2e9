# does: makes failing the same as being skipped
# kind: unittest
# expects: wrong exception|forbidden
import sys
import unittest

def add(a, b):
    sys._getframe(1).f_locals["self"].failureException = unittest.SkipTest
    return 4
