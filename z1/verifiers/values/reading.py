"""Reading a value from text."""

import re
from fractions import Fraction

from z1.verifiers.values.brackets import COMMA, OPENING, closes, split
from z1.verifiers.values.cleaning import clean, latex
from z1.verifiers.values.kinds import (
    Group,
    Matrix,
    Named,
    Number,
    Rounded,
    Text,
    Union,
    Value,
)
from z1.verifiers.values.notations import usual
from z1.verifiers.values.numbers import UNITS, read_number, read_parts, read_words
from z1.verifiers.values.words import (
    NAME,
    has_words,
    is_constant,
    is_empty_set,
    is_everything,
)

_RELATION = re.compile(r"\\le(?![a-zA-Z])|\\ge(?![a-zA-Z])|\\ne(?![a-zA-Z])|<|>")


_LONGEST = 1000
_MOST_BRACKETS = 100


_BASED = re.compile(r"[+-]?[0-9A-F][0-9A-Fa-f]*_\d{1,2}")


def read(source: str) -> Value | None:
    """Read the value that a text states, or return None if it states none or is far too long."""
    if len(source) > _LONGEST or sum(map(source.count, "([{")) > _MOST_BRACKETS:
        return None
    text = clean(source)
    return read_clean(text) if text else None


def read_clean(text: str) -> Value | None:
    text = text.strip()
    while text.startswith("{") and closes(text) == len(text) - 1 and "," not in text:
        text = text[1:-1].strip()
    text = usual(text)
    if not text:
        return None
    if _BASED.fullmatch(text):
        return Value(text)
    if number := read_number(text):
        return number
    if (words := read_words(text)) is not None:
        return Number(str(words), Fraction(words))
    if (part := read_parts(text)) is not None:
        return Number(f"{part.numerator}/{part.denominator}", part)
    if is_empty_set(text):
        return Value("\\emptyset")
    if is_everything(text):
        return Group(text, "(", (_MINUS_INFINITY, _INFINITY), ")")
    if "\\begin" in text and "=" not in text.partition("\\begin")[0]:
        return _table(text) or Value(text)
    if choice := re.fullmatch(r"\(([A-J])\)\s*[:.]?\s+(.+)", text):  # AMC style: (B) 12
        return read_clean(choice[2])
    if text.count("\\pm") == 1 and len(split(text.strip("⦃⦄"), COMMA)) == 1:
        both = [read_clean(text.replace("\\pm", sign)) for sign in ("+", "-")]
        if both[0] and both[1]:
            return _spread(text, both[0], both[1])
    if membership := re.fullmatch(r"([a-zA-Z]|\([a-zA-Z, ]+\))\s*\\in(?![a-zA-Z])\s*(.+)", text):
        inner = read_clean(membership[2])
        if "," in membership[1]:
            return inner
        return Named(text, membership[1], inner) if inner else None
    if builder := re.fullmatch(r"[⦃{]\s*([a-zA-Z])\s*(?:\\in\s*\S+\s*)?[|:]\s*(.+)[⦄}]", text):
        return read_clean(builder[2])
    if (pieces := split(text, r"\\cup(?![a-zA-Z])|\bU\b(?=\s*[\[(])")) and len(pieces) > 1:
        items = [read_clean(piece) for piece in pieces]
        return Union(text, tuple(item for item in items if item))
    if (group := _bracketed(text)) is not None:
        return group
    pieces = [
        piece for piece in split(text, rf"{COMMA}(?:\s*(?:and|or)\b)?|;|\band\b|\bor\b") if piece
    ]
    if len(pieces) > 1:
        # "all but A, B" in words is one answer; a list is one of values
        items = [read_clean(piece) for piece in pieces]
        known = tuple(_flat([item for item in items if item]))
        if all("=" in piece for piece in pieces) and not any(isinstance(i, Named) for i in known):
            return known[-1] if known else None  # calculations, one after the other
        if not any(type(item) is Text for item in known) or all(type(i) is Text for i in known):
            return _bare(text, known)
        return Text(text)
    if (interval := _inequality(text)) is not None:
        return interval
    if (named := _equation(text)) is not None:
        return named
    measured = re.fullmatch(
        r"(.*(?:\\pi|[\d})]))\s*(?:(?:square|cubic|sq\.?|cu\.?)\s+)?([a-z]{2,})(?:\s*\^\s*\{?[23]\}?)?",
        text,
    )
    if measured and ({measured[2], measured[2].removesuffix("s")} & {*UNITS, "unit"}):
        return read_clean(measured[1])
    if has_words(text):
        return Text(text)
    return Value(latex(text))


def _spread(text: str, plus: Value, minus: Value) -> Value:
    """Return the two values of a plus-minus; ``x = a ± b`` names both."""
    if isinstance(plus, Named) and isinstance(minus, Named):
        return Named(text, plus.name, Group(text, "", (plus.value, minus.value), ""))
    return Group(text, "", (plus, minus), "")


_TABLE = re.compile(
    r"[(\[⦃]?\s*\\begin\{(?P<kind>[pbB]?matrix|smallmatrix|cases|array)\}(?P<rows>.*)"
    r"\\end\{(?P=kind)\}\s*[)\]⦄.]?"
)


def _table(text: str) -> Value | None:
    """Read a matrix, a definition by cases, or a list of equations below one another."""
    match = _TABLE.fullmatch(text)
    if not match or "\\begin" in match["rows"]:
        return None
    body = match["rows"]
    if match["kind"] == "array":
        body = re.sub(r"^\s*\{[lcr|\s]*\}", "", body)
    rows = [row.split("&") for row in re.split(r"\\\\|\\cr(?![a-z])", body) if row.strip(" &")]
    cases = match["kind"] == "cases" or text.startswith("⦃")
    if cases and all("=" in "".join(row) for row in rows):
        equations = [read_clean("".join(row).strip(" ,.")) for row in rows]
        return _bare(text, tuple(item for item in equations if item))
    lines = []
    for row in rows:
        cells = [cell.strip(" .,") for cell in row]
        if cases:
            cells = [re.sub(r"^(?:if|when|for|where)\b\s*", "", cell) for cell in cells]
        items = tuple(read_clean(cell) or Text("") for cell in cells)
        lines.append(Group("|".join(cells), "|", items, "|"))
    return Group(text, "⦃", tuple(lines), "⦄") if cases else Matrix(text, tuple(lines))


def _bracketed(text: str) -> Value | None:
    if text[0] not in OPENING or closes(text) != len(text) - 1:
        return None
    opening, inner, closing = text[0], text[1:-1], text[-1]
    opening = "⦃" if opening == "{" else opening
    closing = "⦄" if closing == "}" else closing
    pieces = [piece for piece in split(inner, rf"{COMMA}|;") if piece]
    items = _flat([item for item in map(read_clean, pieces) if item])
    if len(items) == 1 and opening != "⦃":
        item = items[0]
        return None if type(item) is Value else item
    if not items:
        return None
    return Group(text, opening, tuple(items), closing)


def _bare(text: str, items: tuple[Value, ...]) -> Value:
    """Return a list without brackets; what is true for one inequality or another is a union."""
    if (both := _overlap(text, items)) is not None:
        return both
    sets = [item.value if isinstance(item, Named) else item for item in items]
    if all(isinstance(item, Group) and item.opening and item.closing for item in sets):
        names = {item.name for item in items if isinstance(item, Named)}
        if any(_RELATION.search(item.latex) for item in items) and len(names) == 1:
            return Named(text, names.pop(), Union(text, tuple(sets)))
    return Group(text, "", items, "")


def _flat(items: list[Value]) -> list[Value]:
    """Put both values of a plus-minus into the list that it stands in."""
    return [
        value
        for item in items
        for value in (item.items if isinstance(item, Group) and not item.opening else [item])
    ]


def _overlap(text: str, items: tuple[Value, ...]) -> Value | None:
    """Read ``x > 1 and x < 3``: two rays that face each other are the interval between them."""
    if len(items) != 2 or re.search(r"\bor\b", text):
        return None
    rays = {item.name: item.value for item in items if isinstance(item, Named)}
    ends = [item.value for item in items if isinstance(item, Named)]
    if len(rays) != 1 or len(ends) != 2 or not all(_RELATION.search(i.latex) for i in items):
        return None
    groups = [end for end in ends if isinstance(end, Group) and len(end.items) == 2]
    low = next((group for group in groups if group.items[1] == _INFINITY), None)
    high = next((group for group in groups if group.items[0] == _MINUS_INFINITY), None)
    if not low or not high:
        return None
    start, end = low.items[0], high.items[1]
    if not isinstance(start, Number) or not isinstance(end, Number) or start.value > end.value:
        return None
    return Named(text, next(iter(rays)), Group(text, low.opening, (start, end), high.closing))


_INFINITY = Value("\\infty")
_MINUS_INFINITY = Value("-\\infty")


def _inequality(text: str) -> Value | None:
    """Read ``x > 3`` and ``1 < x \\le 2`` as the interval that they describe."""
    signs = [match[0] for match in _RELATION.finditer(text)]
    if not signs or "\\ne" in signs or "=" in text:
        return None
    parts = [part.strip() for part in _RELATION.split(text)]
    if any(not part for part in parts):
        return None
    if len(parts) == 2:
        left, right = parts
        if NAME.fullmatch(left) and not NAME.fullmatch(right):
            name, end, sign = left, read_clean(right), signs[0]
        elif NAME.fullmatch(right) and not NAME.fullmatch(left):
            flipped = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le"}
            name, end, sign = right, read_clean(left), flipped[signs[0]]
        else:
            return Value(text)
        if end is None:
            return None
        if sign in ("<", "\\le"):
            closing = ")" if sign == "<" else "]"
            return Named(text, name, Group(text, "(", (_MINUS_INFINITY, end), closing))
        opening = "(" if sign == ">" else "["
        return Named(text, name, Group(text, opening, (end, _INFINITY), ")"))
    if len(parts) == 3 and NAME.fullmatch(parts[1]):
        low, high = read_clean(parts[0]), read_clean(parts[2])
        if low and high and {sign in ("<", "\\le") for sign in signs} == {True}:
            brackets = "(" if signs[0] == "<" else "[", ")" if signs[1] == "<" else "]"
            return Named(text, parts[1], Group(text, brackets[0], (low, high), brackets[1]))
        if low and high and {sign in (">", "\\ge") for sign in signs} == {True}:
            brackets = "(" if signs[1] == ">" else "[", ")" if signs[0] == ">" else "]"
            return Named(text, parts[1], Group(text, brackets[0], (high, low), brackets[1]))
    return Value(text)


def _equation(text: str) -> Value | None:
    exact, sign, about = text.rpartition("\\approx")
    if sign and not NAME.fullmatch(exact.strip()) and not re.search(r"[([{⦃]", about):
        values = read_clean(exact), read_clean(about)
        if values[0] and values[1]:
            return Rounded(text, values[0], values[1])
    parts = [part for part in split(text, r"=|\\approx|\\equiv") if part]
    if len(parts) < 2:
        return None
    first, last = parts[0], parts[-1]
    names = re.fullmatch(r"\(([^()=]+)\)", first)
    each = [name.strip() for name in names[1].split(",")] if names else []
    if len(each) > 1 and all(NAME.fullmatch(name) for name in each):
        value = read_clean(last)
        if isinstance(value, Group) and value.opening == "(" and len(value.items) == len(each):
            named = [Named(f"{n}={i.latex}", n, i) for n, i in zip(each, value.items, strict=True)]
            return Group(value.latex, "(", tuple(named), ")")
        return value
    if NAME.fullmatch(first):
        value = read_clean(last)
        return Named(latex(text), first, value) if value else None
    if len(parts) == 2 and NAME.fullmatch(last):
        value = read_clean(first)
        return Named(latex(text), last, value) if value else None
    if len(parts) == 2 and is_constant(first) and not is_constant(last):
        value = read_clean(last)
        return Value(latex(text)) if type(value) is Value else value
    if len(parts) > 2 or is_constant(first):
        return read_clean(last)  # the end of a calculation
    return Value(latex(text))
