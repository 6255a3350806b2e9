"""Telling whether a given answer is the reference answer."""

import re

from z1.verifiers.values.kinds import Group, Matrix, Named, Number, Rounded, Text, Union, Value
from z1.verifiers.values.numbers import measure
from z1.verifiers.values.symbolic import close, same_expression


def same(reference: Value, given: Value) -> bool:
    """Tell whether a given answer is the reference answer. The order of the two matters.

    What the reference leaves out (a unit, a name, brackets) the given answer may add, and the
    other way round; what both state must agree.
    """
    if _compact(reference.latex) == _compact(given.latex):
        return True
    if isinstance(given, Rounded):
        return same(reference, given.exact) or same(reference, given.about)
    if isinstance(reference, Rounded):
        return same(reference.exact, given) or same(reference.about, given)
    if isinstance(reference, Named) or isinstance(given, Named):
        return _same_named(reference, given)
    if isinstance(reference, Number) and isinstance(given, Number):
        return _same_number(reference, given)
    if isinstance(reference, Text) or isinstance(given, Text):
        return words(reference.latex) == words(given.latex) != ""
    if isinstance(reference, Matrix) or isinstance(given, Matrix):
        return _same_matrix(reference, given)
    if isinstance(reference, Union) or isinstance(given, Union):
        if isinstance(reference, Union) and isinstance(given, Union):
            return _same_items(reference.items, given.items, ordered=False)
        return Value in (type(reference), type(given)) and same_expression(reference, given)
    if isinstance(reference, Group) or isinstance(given, Group):
        return _same_group(reference, given)
    return same_expression(_in_radians(reference, given), _in_radians(given, reference))


def _in_radians(value: Value, other: Value) -> Value:
    """Turn degrees into radians for comparison with an expression in π."""
    if isinstance(value, Number) and value.unit.startswith("degree") and "\\pi" in other.latex:
        share = value.value / 180
        return Value(f"\\frac{{{share.numerator}\\pi}}{{{share.denominator}}}")
    return value


def _compact(text: str) -> str:
    """Remove the white space that parts no words and numbers."""
    return re.sub(r"(?<!\w)\s+|\s+(?!\w)", "", text)


def words(text: str) -> str:
    """Return a text's words and numbers in lower case, without articles and punctuation."""
    text = re.sub(r"\\(?:text|mathrm)\b", " ", text).casefold().replace("'", "")
    return " ".join(w for w in re.findall(r"[^\W_]+", text) if w not in ("the", "a", "an"))


def _same_named(reference: Value, given: Value) -> bool:
    if isinstance(reference, Named) and isinstance(given, Named):
        names = reference.name.replace(" ", ""), given.name.replace(" ", "")
        # y and f(x) are two names of one thing, and so are x and a word for it
        if names[0] == names[1] or len(names[0]) > 1 or len(names[1]) > 1:
            if same(reference.value, given.value):
                return True
        elif isinstance(reference.value, Number) and isinstance(given.value, Number):
            return False
        return same_expression(Value(reference.latex), Value(given.latex))
    if isinstance(reference, Named):
        if type(given) is Value and "=" in given.latex:
            return same_expression(Value(reference.latex), given)
        return same(reference.value, given)
    assert isinstance(given, Named)
    if type(reference) is Value and "=" in reference.latex:
        return same_expression(reference, Value(given.latex))
    return same(reference, given.value)


def _same_number(reference: Number, given: Number) -> bool:
    first, second = reference.value, given.value
    units = [measure(number.unit) for number in (reference, given)]
    if units[0] and units[1]:
        if units[0][0] != units[1][0]:
            return False
        first, second = first * units[0][1], second * units[1][1]
    places = [reference.places, given.places]
    if close(first, second, places):
        # 0.5 and 0.5 % differ, but the answer to "how many percent" may leave out the sign
        return reference.percent or not given.percent or abs(first) >= 1 or first == 0
    if reference.percent != given.percent:
        if reference.percent:
            return close(first / 100, second, [places[0] + 2, places[1]])
        return close(first, second / 100, [places[0], places[1] + 2])
    return False


def _same_matrix(reference: Value, given: Value) -> bool:
    if isinstance(reference, Matrix) and isinstance(given, Matrix):
        return _same_items(reference.rows, given.rows, ordered=True)
    for matrix, other in ((reference, given), (given, reference)):
        if isinstance(matrix, Matrix) and isinstance(other, Group) and other.opening in ("(", "["):
            columns = list(zip(*(row.items for row in matrix.rows), strict=False))
            vector = matrix.rows[0].items if len(matrix.rows) == 1 else columns[0]
            alone = len(matrix.rows) == 1 or len(columns) == 1
            first, second = (vector, other.items)
            if matrix is given:
                first, second = second, first
            return alone and _same_items(first, second, ordered=True)
    return same_expression(reference, given)


def _same_group(reference: Value, given: Value) -> bool:
    first, second = _items(reference), _items(given)
    brackets = [
        (value.opening, value.closing) if isinstance(value, Group) else ("", "")
        for value in (reference, given)
    ]
    bare = ("", "")
    sets = (bare, ("⦃", "⦄"))
    unordered = brackets[0] in sets and brackets[1] in sets
    if not unordered:
        first, second = _by_name(first), _by_name(second)
    if not unordered and bare not in brackets and brackets[0] != brackets[1]:
        return False
    if unordered:  # "0.5 or 1/2" is one value, said twice
        first, second = _distinct(first), _distinct(second)
    return _same_items(first, second, ordered=not unordered)


def _by_name(items: tuple[Value, ...]) -> tuple[Value, ...]:
    """Put coordinates with names that follow each other, such as x and y, in their order."""
    names = [item.name for item in items if isinstance(item, Named)]
    run = "".join(sorted(names))
    if len(names) != len(items) or run not in "abcdefghijklmnopqrstuvwxyz":
        return items
    return tuple(sorted(items, key=lambda item: item.name if isinstance(item, Named) else ""))


def _items(value: Value) -> tuple[Value, ...]:
    return value.items if isinstance(value, Group) else (value,)


def _distinct(items: tuple[Value, ...]) -> tuple[Value, ...]:
    kept: list[Value] = []
    for item in items:
        if not any(same(other, item) for other in kept):
            kept.append(item)
    return tuple(kept)


def _same_items(first: tuple[Value, ...], second: tuple[Value, ...], ordered: bool) -> bool:
    if len(first) != len(second):
        return False
    if ordered:
        return all(same(one, other) for one, other in zip(first, second, strict=True))
    left = list(second)
    for item in first:
        match = next((other for other in left if same(item, other)), None)
        if match is None:
            return False
        left.remove(match)
    return True
