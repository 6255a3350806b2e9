"""Mathematical answers: reading one from text, and telling whether two are the same.

Numbers, lists, tuples, sets, intervals, named values (``x = 5``) and words are compared here;
what is left, symbolic expressions and equations, goes to math-verify. Structure is kept out of
math-verify's hands because it reads ``(1, 2)`` as an interval and ``listen`` as a product.
"""

from z1.verifiers.values.cleaning import clean, clocks
from z1.verifiers.values.comparing import same
from z1.verifiers.values.kinds import Group, Named, Number, Rounded, Text, Union, Value
from z1.verifiers.values.reading import read

__all__ = [
    "Group",
    "Named",
    "Number",
    "Rounded",
    "Text",
    "Union",
    "Value",
    "clean",
    "clocks",
    "read",
    "same",
]
