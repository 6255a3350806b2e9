"""Comparing expressions and equations, by math-verify."""

import logging
import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

from z1.verifiers.clock import paused
from z1.verifiers.values.kinds import Number, Value
from z1.verifiers.values.numbers import read_exact
from z1.verifiers.values.size import is_huge

_LONGEST_EXPRESSION = 400  # math-verify's parser takes seconds beyond
BASED = re.compile(r"[+-]?[0-9A-Fa-f]+_\{?(\d+)\}?")
FEWEST_PLACES = 4  # a decimal this long may stand for the number that it is rounded from


def close(first: Fraction, second: Fraction, places: list[int]) -> bool:
    """Tell whether two numbers are equal, or one is the other rounded to four or more places."""
    if first == second:
        return True
    written = [count for count in places if count]
    shortest = min(written) if written else 0
    if shortest < FEWEST_PLACES:
        return False
    return (
        abs(first - second) <= Fraction(1, 2 * 10**shortest) and abs(first) * 10**shortest >= 1000
    )


def same_expression(reference: Value, given: Value) -> bool:
    bases = [BASED.fullmatch(value.latex.replace(" ", "")) for value in (reference, given)]
    if bases[0] and bases[1]:
        return False
    if bases[0] or bases[1]:  # 1010 for 1010_2
        return re.sub(r"\s|_\{?\d+\}?$", "", reference.latex) == re.sub(
            r"\s|_\{?\d+\}?$", "", given.latex
        )
    first, second = parse(reference.latex), parse(given.latex)
    if first is None or second is None:
        return False
    from math_verify import verify

    if verify(first, second, timeout_seconds=None, allow_set_relation_comp=True):
        return True
    try:
        if _equal_constants(first, second) or _equal_where_real(first, second):
            return True
    except (ArithmeticError, AttributeError, TypeError, ValueError):
        return False  # sympy cannot evaluate it: the sine of infinity
    numbers = [value for value in (reference, given) if isinstance(value, Number)]
    if len(numbers) == 1 and numbers[0].places >= FEWEST_PLACES:
        other = second if numbers[0] is reference else first
        if getattr(other, "is_number", False) and other.is_real:
            digits = str(other.evalf(30))
            if exact := read_exact(digits):
                return close(numbers[0].value, exact[0], [numbers[0].places])
    return False


@lru_cache(maxsize=1024)
def parse(latex: str) -> Any:
    """Return math-verify's reading of an expression as a sympy object, or None if it has none."""
    if len(latex) > _LONGEST_EXPRESSION or is_huge(latex):
        return None
    with paused():
        from math_verify import LatexExtractionConfig
        from math_verify import parse as parse_latex

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that we time it ourselves
    found = parse_latex(
        f"${latex}$",
        [LatexExtractionConfig(boxed_match_priority=-1)],
        fallback_mode="no_fallback",
        parsing_timeout=None,  # its timeouts are signals that only a main thread can take
    )
    if not found:
        return None
    return _complex(found[0])


def _complex(expression: Any) -> Any:
    """Take i for the imaginary unit, which math-verify takes for a name."""
    from sympy import I

    names = [name for name in getattr(expression, "free_symbols", ()) if name.name in ("i", "j")]
    if any(name.name == "j" for name in names):
        return expression  # unit vectors
    complex_one = expression.subs(dict.fromkeys(names, I)) if names else expression
    # names stand for real numbers, so that z = 3 + 4i would be false of any z
    return expression if getattr(complex_one, "is_Boolean", False) else complex_one


_SAMPLES = [1.37, -0.61, 2.83, -2.19, 0.43, 4.71]


def _equal_where_real(first: Any, second: Any) -> bool:
    """Tell whether two expressions agree wherever both are real, as those of x√x and √(x³) do."""
    names = sorted(getattr(first, "free_symbols", ()), key=str)
    if not names or len(names) > 4 or set(names) != set(second.free_symbols):
        return False
    if not (hasattr(first, "evalf") and getattr(first, "is_commutative", False)):
        return False
    if any(
        getattr(one, "is_Relational", True)
        or not one.is_Add | one.is_Mul | one.is_Pow | one.is_Function
        for one in (first, second)
    ):
        return False
    agreed = 0
    for start in range(len(_SAMPLES)):
        place = {name: _SAMPLES[(start + 2 * k) % len(_SAMPLES)] for k, name in enumerate(names)}
        values = [one.evalf(20, subs=place) for one in (first, second)]
        if not all(value.is_Float or value.is_Integer for value in values):
            continue  # not real here
        if abs(values[0] - values[1]) > 1e-12 * max(1, abs(values[0])):
            return False
        agreed += 1
    return agreed >= 3


def _equal_constants(first: Any, second: Any) -> bool:
    """Tell whether two numbers are equal to 30 digits; sympy does not simplify all of them."""
    if not (getattr(first, "is_number", False) and getattr(second, "is_number", False)):
        return False
    difference = first - second
    if difference.is_rational:
        return bool(difference == 0)
    rest = difference.evalf(30)
    size = min(1, abs(second.evalf(30)))
    return bool(rest.is_number and abs(rest) <= 1e-25 * size)
