"""Comparing what a program printed or returned with what is expected."""

import math
import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

# Not 007, which is a text of digits.
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?")
_RELATIVE, _ABSOLUTE = 1e-6, 1e-9
_OF_WHOLE = 1e-6  # a whole number may be computed with fractions, but a large one is not another


def same_output(expected: str, given: str) -> bool:
    """Tell whether a program printed what is expected, line by line.

    White space at the ends of lines and empty lines at the ends do not count; white space at the
    start counts only where the expected output has some. Numbers count by their value: 1.0 is 1,
    and where the expected one has a fraction, a relative difference of 1e-6 is one of rounding.
    """
    first, second = _lines(expected), _lines(given)
    if len(first) != len(second):
        return False
    if not any(line[:1].isspace() for line in first):
        second = [line.lstrip() for line in second]
    return all(
        one == other or _same_line(one, other) for one, other in zip(first, second, strict=True)
    )


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    return lines


def _same_line(expected: str, given: str) -> bool:
    first, second = expected.split(), given.split()
    if len(first) != len(second):
        return False
    numeric = all(_NUMBER.fullmatch(word) for word in first)
    if not numeric and re.findall(r"\s+", expected) != re.findall(r"\s+", given):
        return False
    return all(
        one == other or _same_number(one, other) for one, other in zip(first, second, strict=True)
    )


def _same_number(expected: str, given: str) -> bool:
    if not (_NUMBER.fullmatch(expected) and _NUMBER.fullmatch(given)):
        return False
    try:
        first, second = Decimal(expected), Decimal(given)
        if first == second:
            return True
    except InvalidOperation:
        return False
    if re.fullmatch(r"[+-]?\d+", expected):
        return False
    return math.isclose(float(first), float(second), rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)


def decode(encoded: Any) -> Any:
    """Return the value that a judged process wrote; tuples have become lists.

    Raises ValueError if it is not one: what a judged process writes is not to be trusted.
    """
    if encoded is None or isinstance(encoded, bool | int | float):
        return encoded
    if not (isinstance(encoded, list) and len(encoded) == 2):
        raise ValueError("no value")
    kind, content = encoded
    if kind == "int" and isinstance(content, str):
        return int(content, 16)
    if kind == "float" and isinstance(content, str):
        return float(content)
    if kind == "str" and isinstance(content, str):
        return content
    if kind == "list" and isinstance(content, list):
        return [decode(item) for item in content]
    if kind == "dict" and isinstance(content, list):
        return Items([(decode(key), decode(value)) for key, value in content])
    if kind in ("set", "other"):
        return Other(content if kind == "other" else [decode(item) for item in content])
    raise ValueError("no value")


class Items(list[Any]):
    """A dictionary as its keys and values, since a key may be a list here."""

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{key!r}: {value!r}" for key, value in self) + "}"


class Other:
    """A value that no JSON can be equal to."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def __repr__(self) -> str:
        if isinstance(self.content, list):
            return f"a set of {self.content!r}"
        return str(self.content)


def same_value(expected: Any, given: Any) -> bool:
    """Tell whether a decoded result is what is expected, as ``==`` in Python would.

    A tuple is a list, a dictionary's keys may be numbers where JSON writes text, and between two
    fractions a relative difference of 1e-6 is one of rounding; between a whole number and a
    fraction, an absolute one.
    """
    if isinstance(expected, list):
        return (
            isinstance(given, list)
            and not isinstance(given, Items)
            and len(expected) == len(given)
            and all(same_value(one, other) for one, other in zip(expected, given, strict=True))
        )
    if isinstance(expected, dict):
        if not isinstance(given, Items) or len(expected) != len(given):
            return False
        return all(
            any(
                (key == other or key == _as_key(other)) and same_value(value, found)
                for other, found in given
            )
            for key, value in expected.items()
        )
    if isinstance(expected, int | float) and isinstance(given, int | float):
        if expected == given:
            return True
        if not (isinstance(expected, float) or isinstance(given, float)):
            return False
        try:
            if isinstance(expected, int) or isinstance(given, int):
                return abs(Fraction(expected) - Fraction(given)) <= _OF_WHOLE
            both_nan = math.isnan(expected) and math.isnan(given)
            return both_nan or math.isclose(expected, given, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
        except (OverflowError, ValueError):  # of what is not finite
            return False
    return type(expected) is type(given) and bool(expected == given)


def _as_key(value: Any) -> str | None:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) if isinstance(value, int | float) else None
