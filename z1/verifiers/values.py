"""Mathematical answers: reading one from text, and telling whether two are the same.

Numbers, lists, tuples, sets, intervals, named values (``x = 5``) and words are compared here;
what is left, symbolic expressions and equations, goes to math-verify. Structure is kept out of
math-verify's hands because it reads ``(1, 2)`` as an interval and ``listen`` as a product.
"""

import logging
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from z1.verifiers.clock import paused
from z1.verifiers.extract import closing_brace


@dataclass(frozen=True)
class Value:
    """An expression that is none of the kinds below."""

    latex: str
    """The cleaned source of the value."""


@dataclass(frozen=True)
class Number(Value):
    """A number, with what was written after it."""

    value: Fraction
    places: int = 0
    """Digits after the decimal point, as written."""
    percent: bool = False
    unit: str = ""


@dataclass(frozen=True)
class Group(Value):
    """Values between brackets, or without any; an interval is a group of its two ends."""

    opening: str
    items: tuple[Value, ...]
    closing: str


@dataclass(frozen=True)
class Union(Value):
    """Several sets taken together."""

    items: tuple[Value, ...]


@dataclass(frozen=True)
class Named(Value):
    """A value that is said to be something's: ``x = 5``."""

    name: str
    value: Value


@dataclass(frozen=True)
class Rounded(Value):
    """A value and what it is about: ``5/36 ≈ 0.139``."""

    exact: Value
    about: Value


@dataclass(frozen=True)
class Text(Value):
    """An answer in words."""


# ---------------------------------------------------------------- cleaning

_UNICODE = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "﹣": "-", "×": "\\times ",
    "·": "\\cdot ", "⋅": "\\cdot ", "∙": "\\cdot ", "÷": "/", "⁄": "/", "∕": "/", "π": "\\pi ",
    "∞": "\\infty ", "≤": "\\le ", "⩽": "\\le ", "≥": "\\ge ", "⩾": "\\ge ", "≠": "\\ne ",
    "∪": "\\cup ", "∩": "\\cap ", "∈": "\\in ", "±": "\\pm ", "∅": "\\emptyset ",
    "θ": "\\theta ", "α": "\\alpha ", "β": "\\beta ", "λ": "\\lambda ", "°": "^\\circ ",
    "≈": "\\approx ", "ℝ": "\\mathbb{R}", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
    "，": ", ", "（": "(", "）": ")", "。": ".", "：": ":", "’": "'", "‘": "'", "“": '"', "”": '"',
    "½": " \\frac{1}{2}", "⅓": " \\frac{1}{3}", "⅔": " \\frac{2}{3}", "¼": " \\frac{1}{4}",
    "¾": " \\frac{3}{4}", "⅕": " \\frac{1}{5}", "⅙": " \\frac{1}{6}", "⅛": " \\frac{1}{8}",
    "⅜": " \\frac{3}{8}", "⅝": " \\frac{5}{8}", "⅞": " \\frac{7}{8}",
}  # fmt: skip
_TRANSLATION = str.maketrans(_UNICODE)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_CURRENCY = r"(?:\\?\$|€|£|¥|₹|USD\s?|US\\?\$)"

_REPLACEMENTS: list[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"\\(?:displaystyle|textstyle|limits|nolimits|left|right|[bB]igg?[lr]?)(?![a-zA-Z])", ""),
        (r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
        (r"(?<=\d)(?:\{,\}|\\[,!;: ]|~|\\thinspace\s?)\s?(?=\d{3}(?!\d))", ","),
        (r"\\[,;:! ]|\\q?quad(?![a-zA-Z])|\\thinspace(?![a-zA-Z])|~|&", " "),
        (r"\\(?:leq|leqslant)(?![a-zA-Z])", r"\\le "),
        (r"\\(?:geq|geqslant)(?![a-zA-Z])", r"\\ge "),
        (r"\\lt(?![a-zA-Z])", "<"),
        (r"\\gt(?![a-zA-Z])", ">"),
        (r"<=", r"\\le "),
        (r">=", r"\\ge "),
        (r"\\(?:varnothing|emptyset)(?![a-zA-Z])|\\\{\s*\\\}", r"\\emptyset "),
        (r"\\(?:lbrace)(?![a-zA-Z])|\\\{", "⦃"),
        (r"\\(?:rbrace)(?![a-zA-Z])|\\\}", "⦄"),
        (r"\\langle(?![a-zA-Z])", "("),
        (r"\\rangle(?![a-zA-Z])", ")"),
        (r"\^\s*\{?\s*\\(?:circ|degree)\s*\}?|\\degree(?![a-zA-Z])", " degrees "),
        (r"\^\{?\s*(?:st|nd|rd|th)\s*\}?", ""),
        (r"\\%", "%"),
        (r"\s*\bper\s?cent\b|\s+percentage points?\b", "%"),
        (r"\\(?:mid|vert|lvert|rvert)(?![a-zA-Z])", "|"),
        (r"\\(?:ldots|dots|cdots)(?![a-zA-Z])", "..."),
        (r"\\[$]", "$"),
        (r"\\equiv(.*?)\(?\s*\\?p?mod\s*\{?\w+\}?\s*\)?", r"\\equiv\1"),
        (r"\b(?:negative|minus)\s+(?=[\d\\])", "-"),
        (r"(?<=\d) out of (?=\d)", "/"),
        (
            r"(?<=\S),?\s+(?:or\s+)?(?:about|approximately|approx\.?|roughly)\s+(?=\d)",
            r" \\approx ",
        ),
    ]
]
_WRAPPED = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|mathrm|mathbf|mathit|mathsf|boldsymbol|bm|mbox|hbox|"
    r"textup|emph|operatorname\*?|boxed|fbox|underline|ensuremath)\s*(?=\{)"
)
_ALIGNED = re.compile(
    r"\\begin\{(?:aligned|align\*?|gathered|split|equation\*?|cases)\}(.*?)"
    r"\\end\{(?:aligned|align\*?|gathered|split|equation\*?|cases)\}",
    re.DOTALL,
)


def clean(text: str) -> str:
    """Bring a mathematical answer into one spelling: LaTeX without layout, fonts or dollars."""
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+", lambda m: f"^{{{m[0].translate(_SUPERSCRIPTS)}}}", text)
    text = re.sub(r"[₀₁₂₃₄₅₆₇₈₉]+", lambda m: f"_{{{m[0].translate(_SUBSCRIPTS)}}}", text)
    text = re.sub(r"√\s*(\d+|[a-zA-Z])", r"\\sqrt{\1}", text)
    text = re.sub(r"√\s*(?=\()", "sqrt", text)
    text = re.sub(r"\*\*(?=[^*]+\*\*)(.+?)\*\*$", r"\1", text.strip())
    text = text.translate(_TRANSLATION)
    text = _ALIGNED.sub(
        lambda m: re.split(r"\\\\(?:\[\w+\])?", m[1].strip().rstrip("\\"))[-1], text
    )
    while match := _WRAPPED.search(text):
        end = closing_brace(text, match.end())
        text = f"{text[: match.start()]} {text[match.end() + 1 : end]} {text[end + 1 :]}"
    matrix = "\\begin" in text
    for pattern, replacement in _REPLACEMENTS:
        if not (matrix and replacement == " "):  # the & of a matrix part its columns
            text = pattern.sub(replacement, text)
    text = re.sub(r"\\[()\[\]](?![a-zA-Z0-9]*pt)", " ", text) if not matrix else text
    text = re.sub(rf"(^|[\s(=\-+,⦃]){_CURRENCY}\s*(?=[\d.])", r"\1", text)
    text = text.replace("$", " ").replace("`", " ").replace('"', " ")
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"^(?:=>|[:=∴⇒→]|\\approx|\\implies|\\Rightarrow|\\therefore)\s*", "", text)
    # an exclamation mark after a number may be a factorial
    text = re.sub(r"(?:[.,;:]|(?<![\d)}n!])!+|(?<!\\)\\\\?)+$", "", text).strip()
    return text.strip("*").strip() if not text.endswith("^*") else text


# ---------------------------------------------------------------- reading

_DIGITS = r"(?:\d{1,3}(?:[, ]\d{3})+(?!\d)|\d+)"
_DECIMAL = rf"(?:{_DIGITS}?\.\d+|{_DIGITS}\.?)"
_SIGNED = rf"[+-]?\s?{_DECIMAL}"
_TEN = r"\s*(?:\\times|\\cdot|\*|x)\s*10\s*(?:\^|\*\*)\s*[{(]?\s*([+-]?\s?\d+)\s*[})]?"
_PLAIN = re.compile(rf"({_SIGNED})")
_SCIENTIFIC = re.compile(rf"({_SIGNED})(?:{_TEN}|[eE]([+-]?\d+))")
_POWER_OF_TEN = re.compile(r"([+-]?)10\^\{?([+-]?\d+)\}?")
_FRACTION = re.compile(
    rf"([+-]?)\s*\\frac\s*(?:\{{\s*({_SIGNED})\s*\}}|(\d))\s*(?:\{{\s*({_SIGNED})\s*\}}|(\d))"
)
_SLASHED = re.compile(rf"\(?({_SIGNED})\)?\s*/\s*\(?({_SIGNED})\)?")
_MIXED = re.compile(
    r"([+-]?)\s*(\d+)\s*(?:(?:and |\+ ?)?\s*\\frac\s*\{?\s*(\d+)\s*\}?\s*\{?\s*(\d+)\s*\}?"
    r"|\s(?:and )?(\d+)\s*/\s*(\d+))"
)
_REPEATING = re.compile(r"([+-]?)(\d*)\.(\d*)\\overline\s*\{?(\d+?)\}?")
_BASED = re.compile(r"[+-]?[0-9A-Fa-f]+_\{?(\d+)\}?")
_LARGEST_EXPONENT = 5000

_SCALES = {
    "hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9,
    "trillion": 10**12, "dozen": 12, "k": 10**3,
}  # fmt: skip
_WORDS = {
    word: number
    for number, word in enumerate(
        re.findall(
            r"\w+",
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
            "fifteen sixteen seventeen eighteen nineteen",
        )
    )
} | {
    word: 10 * number
    for number, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2
    )
}
# What one of a unit is in the first unit of its kind; other units are not looked at.
_UNITS: dict[str, tuple[str, Fraction]] = {}
for _kind, _names in {
    "length": "m meter metre=1 cm centimeter centimetre=1/100 mm millimeter millimetre=1/1000 "
    "km kilometer kilometre=1000 in inch inches=127/5000 ft foot feet=381/1250 yd yard=1143/1250 "
    "mi mile=201168/125",
    "time": "s sec second=1 min minute=60 h hr hour=3600 day=86400 week=604800 "
    "ms millisecond=1/1000",
    "mass": "kg kilogram=1 g gram=1/1000 mg milligram=1/1000000 lb pound=45359237/100000000 "
    "ton tonne=1000",
    "volume": "l liter litre=1 ml milliliter millilitre=1/1000",
    "money": "dollar usd=1 cent=1/100",
    "speed": "m/s=1 km/h kmh kph=5/18",
    "angle": "degree deg=1",
    "rotation": "radian rad=1",
}.items():
    for _entry in re.findall(r"([^=]+)=(\S+)\s*", _names):
        for _name in _entry[0].split():
            _UNITS[_name] = (_kind, Fraction(_entry[1]))

_FUNCTIONS = set(
    re.findall(
        r"\w+",
        "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp sqrt pi max min "
        "gcd lcm mod inf infinity det abs oo",
    )
)
_SHORT_WORDS = {
    "no",
    "is",
    "it",
    "in",
    "on",
    "or",
    "of",
    "to",
    "so",
    "we",
    "my",
    "at",
    "be",
    "by",
    "up",
}
_NAME = re.compile(
    r"(?:[a-zA-Z]|\\(?:alpha|beta|gamma|theta|lambda|mu|phi|omega|sigma|Delta|angle\s+[A-Z]{1,3}))"
    r"'?(?:_\{?\w+\}?)?(?:\s*\(\s*[\w ,+\-|]+\s*\))?|[A-Z]{2,3}|[A-Za-z][a-z]+(?: [a-z]+){0,4}"
)
_RELATION = re.compile(r"\\le(?![a-zA-Z])|\\ge(?![a-zA-Z])|\\ne(?![a-zA-Z])|<|>")
_COMMA = r"(?:(?<!\d),|,(?!\d{3}(?!\d)))"  # not the comma of 1,234
_OPENING, _CLOSING = "([⦃{", ")]⦄}"


_LONGEST = 1000
_MOST_BRACKETS = 100
_LONGEST_EXPRESSION = 400  # math-verify's parser takes seconds beyond


def read(source: str) -> Value | None:
    """Read the value that a text states, or return None if it states none or is far too long."""
    if len(source) > _LONGEST or sum(map(source.count, "([{")) > _MOST_BRACKETS:
        return None
    text = clean(source)
    return _read(text) if text else None


def _read(text: str) -> Value | None:
    text = text.strip()
    while text.startswith("{") and _closes(text) == len(text) - 1 and "," not in text:
        text = text[1:-1].strip()
    if not text:
        return None
    if number := _number(text):
        return number
    if (words := _number_words(text)) is not None:
        return Number(str(words), Fraction(words))
    if _is_empty_set(text):
        return Value("\\emptyset")
    if "\\begin" in text:
        return Value(text)
    if choice := re.fullmatch(r"\(([A-J])\)\s*[:.]?\s+(.+)", text):  # AMC style: (B) 12
        return _read(choice[2])
    if "\\pm" in text and text.count("\\pm") == 1:
        both = [_read(text.replace("\\pm", sign)) for sign in ("+", "-")]
        if both[0] and both[1]:
            return _spread(text, both[0], both[1])
    if membership := re.fullmatch(r"([a-zA-Z])\s*\\in(?![a-zA-Z])\s*(.+)", text):
        inner = _read(membership[2])
        return Named(text, membership[1], inner) if inner else None
    if builder := re.fullmatch(r"[⦃{]\s*([a-zA-Z])\s*(?:\\in\s*\S+\s*)?[|:]\s*(.+)[⦄}]", text):
        return _read(builder[2])
    if (pieces := _split(text, r"\\cup(?![a-zA-Z])|\bU\b(?=\s*[\[(])")) and len(pieces) > 1:
        items = [_read(piece) for piece in pieces]
        return Union(text, tuple(item for item in items if item))
    if (group := _bracketed(text)) is not None:
        return group
    pieces = [
        piece for piece in _split(text, rf"{_COMMA}(?:\s*(?:and|or)\b)?|;|\band\b|\bor\b") if piece
    ]
    if len(pieces) > 1:
        # "all but A, B" in words is one answer; a list is one of values
        items = [_read(piece) for piece in pieces]
        known = tuple(item for item in items if item)
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
    if measured and (measured[2].removesuffix("s") in {*_UNITS, "unit"}):
        return _read(measured[1])
    if _has_words(text):
        return Text(text)
    return Value(_latex(text))


def _spread(text: str, plus: Value, minus: Value) -> Value:
    """Return the two values of a plus-minus; ``x = a ± b`` names both."""
    if isinstance(plus, Named) and isinstance(minus, Named):
        return Named(text, plus.name, Group(text, "", (plus.value, minus.value), ""))
    return Group(text, "", (plus, minus), "")


def _is_empty_set(text: str) -> bool:
    return bool(
        re.fullmatch(
            r"\\emptyset|⦃\s*⦄|(?:the )?empty set|(?:there (?:is|are) )?no (?:real )?solutions?"
            r"(?: exists?)?",
            text.strip(),
            re.IGNORECASE,
        )
    )


def _number(text: str) -> Number | None:
    """Read a number with a percent sign or unit after it."""
    match = re.fullmatch(
        r"(.*?[\d}).]|.*?\d)\s*(%)?(?:\s*(?:\\cdot\s*)?(?P<unit>\(?[a-zA-Z][a-zA-Z/\s().'-]*"
        r"(?:\^\s*\{?-?[23]\}?)?(?:\s*/\s*[a-zA-Z]+)?))?\s*(%)?",
        text,
    )
    if not match:
        return None
    unit = (match["unit"] or "").strip()
    if unit and not _is_unit(
        unit, spaced=bool(re.search(r"\s|[)}]", text[: match.start("unit")][-1:]))
    ):
        return None
    digits = match[1].rstrip() if not match[1].endswith("..") else ""
    exact = _exact(digits)
    if exact is None:
        return None
    value, places = exact
    percent = bool(match[2] or match[4])
    first = unit.split(" ")[0].lower() if unit else ""
    if first in _SCALES:
        value, unit = value * _SCALES[first], unit[len(first) :].strip()
    return Number(text, value, places, percent, unit)


def _is_unit(text: str, spaced: bool) -> bool:
    words = re.findall(r"[a-zA-Z]+", text)
    if any(word in _FUNCTIONS for word in words):
        return False
    if text.lower() in ("st", "nd", "rd", "th"):
        return True
    if len(words) == 1 and len(words[0]) == 1:  # 5 m, but 5x is an expression
        return spaced and words[0] in "mgshlLJNWVAKCF"
    if len(words[0]) <= 3 and words[0].lower() not in _UNITS and not spaced:
        return False
    return words[0].lower() not in ("and", "or", "if", "to", "times", "plus", "minus", "divided")


def _exact(text: str) -> tuple[Fraction, int] | None:
    """Return the exact value of a written number and how many decimal places it has."""
    if match := _PLAIN.fullmatch(text):
        return _decimal(match[1]), _places(match[1])
    if match := _SCIENTIFIC.fullmatch(text):
        exponent = int((match[2] or match[3]).replace(" ", ""))
        if abs(exponent) > _LARGEST_EXPONENT:
            return None
        places = _places(match[1])
        return _decimal(match[1]) * Fraction(10) ** exponent, max(
            0, places - exponent
        ) if places else 0
    if match := _POWER_OF_TEN.fullmatch(text):
        if abs(int(match[2])) > _LARGEST_EXPONENT:
            return None
        return (-1 if match[1] == "-" else 1) * Fraction(10) ** int(match[2]), 0
    if match := _FRACTION.fullmatch(text):
        sign, above, above_digit, below, below_digit = match.groups()
        return _ratio(sign, above or above_digit, below or below_digit)
    if match := _MIXED.fullmatch(text):
        sign, whole, above, below, above_slashed, below_slashed = match.groups()
        part = _ratio("", above or above_slashed, below or below_slashed)
        if part is None:
            return None
        return (-1 if sign == "-" else 1) * (int(whole) + part[0]), 0
    if match := _SLASHED.fullmatch(text):
        return _ratio("", match[1], match[2])
    if match := _REPEATING.fullmatch(text):
        sign, whole, start, repeated = match.groups()
        scale = 10 ** len(start)
        value = Fraction(int((whole or "0") + start), scale)
        value += Fraction(int(repeated), (10 ** len(repeated) - 1) * scale)
        return (-value if sign == "-" else value), 0
    return None


def _ratio(sign: str, above: str, below: str) -> tuple[Fraction, int] | None:
    if _decimal(below) == 0:
        return None
    value = _decimal(above) / _decimal(below)
    return (-value if sign == "-" else value), 0


def _decimal(text: str) -> Fraction:
    return Fraction(re.sub(r"[,\s]", "", text).rstrip("."))


def _places(text: str) -> int:
    return len(text.partition(".")[2].strip())


def _number_words(text: str) -> int | None:
    """Read a number below a thousand, or one with a scale, that is written out."""
    words = re.findall(r"[a-z]+", text.lower())
    if not words or not re.fullmatch(r"[a-zA-Z\s-]+", text):
        return None
    total = 0
    for position, word in enumerate(words):
        if word in _WORDS:
            total += _WORDS[word]
        elif word in _SCALES and word != "k" and (position or word != "dozen"):
            total = max(total, 1) * _SCALES[word]
        elif word == "minus" and position == 0:
            continue
        elif not (word == "and" and 0 < position < len(words) - 1):
            return None
        before = _WORDS.get(words[position - 1]) if position and word in _WORDS else None
        if before is not None and not (before >= 20 and _WORDS[word] < 10):
            return None  # "five six" is no number
    return -total if words[0] == "minus" else total


def _closes(text: str) -> int:
    """Return where the bracket that opens a text closes, whatever the two look like."""
    depth = 0
    for position, character in enumerate(text):
        depth += (character in _OPENING) - (character in _CLOSING)
        if depth == 0:
            return position
    return -1


def _split(text: str, separator: str) -> list[str]:
    """Divide a text at the separators that stand outside all brackets."""
    pieces, start, depth = [], 0, 0
    pattern = re.compile(rf"(?P<separator>{separator})|[()\[\]{{}}⦃⦄]", re.IGNORECASE)
    for match in pattern.finditer(text):
        if not match["separator"]:
            depth += 1 if match[0] in _OPENING else -1
        elif depth == 0:
            pieces.append(text[start : match.start()].strip())
            start = match.end()
    return [*pieces, text[start:].strip()]


def _bracketed(text: str) -> Value | None:
    if text[0] not in _OPENING or _closes(text) != len(text) - 1:
        return None
    opening, inner, closing = text[0], text[1:-1], text[-1]
    opening = "⦃" if opening == "{" else opening
    closing = "⦄" if closing == "}" else closing
    pieces = [piece for piece in _split(inner, rf"{_COMMA}|;") if piece]
    items = [item for item in map(_read, pieces) if item]
    if len(items) == 1 and opening != "⦃":
        item = items[0]
        return None if type(item) is Value else item
    if not items:
        return None
    return Group(text, opening, tuple(items), closing)


def _bare(text: str, items: tuple[Value, ...]) -> Value:
    """Return a list without brackets; what is true for one inequality or another is a union."""
    sets = [item.value if isinstance(item, Named) else item for item in items]
    if all(isinstance(item, Group) and item.opening and item.closing for item in sets):
        names = {item.name for item in items if isinstance(item, Named)}
        if any(_RELATION.search(item.latex) for item in items) and len(names) == 1:
            return Named(text, names.pop(), Union(text, tuple(sets)))
    return Group(text, "", items, "")


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
        if _NAME.fullmatch(left) and not _NAME.fullmatch(right):
            name, end, sign = left, _read(right), signs[0]
        elif _NAME.fullmatch(right) and not _NAME.fullmatch(left):
            flipped = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le"}
            name, end, sign = right, _read(left), flipped[signs[0]]
        else:
            return Value(text)
        if end is None:
            return None
        if sign in ("<", "\\le"):
            closing = ")" if sign == "<" else "]"
            return Named(text, name, Group(text, "(", (_MINUS_INFINITY, end), closing))
        opening = "(" if sign == ">" else "["
        return Named(text, name, Group(text, opening, (end, _INFINITY), ")"))
    if len(parts) == 3 and _NAME.fullmatch(parts[1]):
        low, high = _read(parts[0]), _read(parts[2])
        if low and high and {sign in ("<", "\\le") for sign in signs} == {True}:
            brackets = "(" if signs[0] == "<" else "[", ")" if signs[1] == "<" else "]"
            return Named(text, parts[1], Group(text, brackets[0], (low, high), brackets[1]))
        if low and high and {sign in (">", "\\ge") for sign in signs} == {True}:
            brackets = "(" if signs[1] == ">" else "[", ")" if signs[0] == ">" else "]"
            return Named(text, parts[1], Group(text, brackets[0], (high, low), brackets[1]))
    return Value(text)


def _equation(text: str) -> Value | None:
    exact, sign, about = text.rpartition("\\approx")
    if sign and not _NAME.fullmatch(exact.strip()) and not re.search(r"[([{⦃]", about):
        values = _read(exact), _read(about)
        if values[0] and values[1]:
            return Rounded(text, values[0], values[1])
    parts = [part for part in _split(text, r"=|\\approx|\\equiv") if part]
    if len(parts) < 2:
        return None
    first, last = parts[0], parts[-1]
    if _NAME.fullmatch(first):
        value = _read(last)
        return Named(_latex(text), first, value) if value else None
    if len(parts) == 2 and _NAME.fullmatch(last):
        value = _read(first)
        return Named(_latex(text), last, value) if value else None
    if len(parts) > 2 or not re.search(r"(?<![\\a-zA-Z])[a-zA-Z](?![a-zA-Z])", first):
        return _read(last)  # the end of a calculation
    return Value(_latex(text))


def _has_words(text: str) -> bool:
    bare = re.sub(r"\\[a-zA-Z]+", " ", text)
    words = [word for word in re.findall(r"[A-Za-z]{2,}", bare) if word.lower() not in _FUNCTIONS]
    if not words:
        return False
    if re.fullmatch(r"\d{1,2}:\d{2}\s*[aApP]\.?[mM]\.?", text):
        return True
    if all(len(word) == 2 and word.islower() for word in words):
        return any(word in _SHORT_WORDS for word in words)
    if any(re.fullmatch(r"[A-Z][a-z]+", word) for word in words) or len(words) > 2:
        return True
    symbolic = re.search(r"[\d=+*/^\\|]|(?<=\w)\s-\s|^-", text)
    return not symbolic or any(len(word) > 3 for word in words)


def _latex(text: str) -> str:
    """Turn what people type into LaTeX: ``x**2``, ``sqrt(3)``, ``2*pi``, ``x^10``."""
    text = text.replace("**", "^").replace("⦃", "\\{").replace("⦄", "\\}")
    text = re.sub(r"\^\s*(-?\d{2,}|-\d)", r"^{\1}", text)
    for match in reversed(list(re.finditer(r"\^\s*\(", text))):
        opening = match.end() - 1
        end = opening + _closes(text[opening:])
        if end > opening:
            text = f"{text[: match.start()]}^{{{text[opening + 1 : end]}}}{text[end + 1 :]}"
    for match in reversed(list(re.finditer(r"(?<![\\a-zA-Z])sqrt\s*\(", text))):
        opening = match.end() - 1
        end = opening + _closes(text[opening:])
        if end > opening:
            text = f"{text[: match.start()]}\\sqrt{{{text[opening + 1 : end]}}}{text[end + 1 :]}"
    text = re.sub(r"(?<![\\a-zA-Z])(?:infinity|inf|oo)(?![a-zA-Z])", r"\\infty ", text)
    text = re.sub(
        r"(?<![\\a-zA-Z])(arcsin|arccos|arctan|sin|cos|tan|cot|sec|csc|log|ln|exp|pi)(?![a-zA-Z])",
        r"\\\1 ",
        text,
    )
    text = text.replace("*", "\\cdot ")
    return re.sub(r"\s+", " ", text).strip()


# ---------------------------------------------------------------- comparing

_FEWEST_PLACES = 4  # a decimal this long may stand for the number that it is rounded from


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
    if isinstance(reference, Number) and re.fullmatch(r"[^!]*\d!", given.latex):
        spoken = _read(given.latex[:-1])  # "it is 5!" may be said with joy
        return _same_expression(reference, given) or (
            spoken is not None and same(reference, spoken)
        )
    if isinstance(reference, Text) or isinstance(given, Text):
        return words(reference.latex) == words(given.latex) != ""
    if isinstance(reference, Union) or isinstance(given, Union):
        if isinstance(reference, Union) and isinstance(given, Union):
            return _same_items(reference.items, given.items, ordered=False)
        return Value in (type(reference), type(given)) and _same_expression(reference, given)
    if isinstance(reference, Group) or isinstance(given, Group):
        return _same_group(reference, given)
    return _same_expression(reference, given)


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
        return _same_expression(Value(reference.latex), Value(given.latex))
    if isinstance(reference, Named):
        if type(given) is Value and "=" in given.latex:
            return _same_expression(Value(reference.latex), given)
        return same(reference.value, given)
    assert isinstance(given, Named)
    if type(reference) is Value and "=" in reference.latex:
        return _same_expression(reference, Value(given.latex))
    return same(reference, given.value)


def _same_number(reference: Number, given: Number) -> bool:
    first, second = reference.value, given.value
    units = [_measure(number.unit) for number in (reference, given)]
    if units[0] and units[1]:
        if units[0][0] != units[1][0]:
            return False
        first, second = first * units[0][1], second * units[1][1]
    places = [reference.places, given.places]
    if _close(first, second, places):
        # 0.5 and 0.5 % differ, but the answer to "how many percent" may leave out the sign
        return reference.percent or not given.percent or abs(first) >= 1 or first == 0
    if reference.percent != given.percent:
        if reference.percent:
            return _close(first / 100, second, [places[0] + 2, places[1]])
        return _close(first, second / 100, [places[0], places[1] + 2])
    return False


def _close(first: Fraction, second: Fraction, places: list[int]) -> bool:
    """Tell whether two numbers are equal, or one is the other rounded to four or more places."""
    if first == second:
        return True
    written = [count for count in places if count]
    shortest = min(written) if written else 0
    if shortest < _FEWEST_PLACES:
        return False
    return (
        abs(first - second) <= Fraction(1, 2 * 10**shortest) and abs(first) * 10**shortest >= 1000
    )


def _measure(unit: str) -> tuple[str, Fraction] | None:
    """Return what a unit measures and its size; powers count as kinds of their own."""
    match = re.fullmatch(
        r"(?:(?P<area>square|sq\.?|cubic|cu\.?)\s+)?(?P<name>[a-zA-Z]+(?:/[a-zA-Z]+)?)\.?"
        r"(?:\s*\^?\s*\{?(?P<power>[23])\}?)?",
        unit.strip(),
    )
    if not match:
        return None
    name = match["name"] if match["name"] in _UNITS else match["name"].lower()
    found = _UNITS.get(name) or _UNITS.get(name.removesuffix("s"))
    if not found:
        return None
    power = int(match["power"] or {"s": 2, "c": 3}.get((match["area"] or " ")[0].lower(), 1))
    return f"{found[0]}^{power}", found[1] ** power


def _same_group(reference: Value, given: Value) -> bool:
    first, second = _items(reference), _items(given)
    brackets = [
        (value.opening, value.closing) if isinstance(value, Group) else ("", "")
        for value in (reference, given)
    ]
    bare = ("", "")
    sets = (bare, ("⦃", "⦄"))
    unordered = brackets[0] in sets and brackets[1] in sets
    if not unordered and bare not in brackets and brackets[0] != brackets[1]:
        return False
    if unordered:  # "0.5 or 1/2" is one value, said twice
        first, second = _distinct(first), _distinct(second)
    return _same_items(first, second, ordered=not unordered)


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


def _same_expression(reference: Value, given: Value) -> bool:
    bases = [_BASED.fullmatch(value.latex.replace(" ", "")) for value in (reference, given)]
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
    numbers = [value for value in (reference, given) if isinstance(value, Number)]
    if len(numbers) == 1 and numbers[0].places >= _FEWEST_PLACES:
        other = second if numbers[0] is reference else first
        if getattr(other, "is_number", False) and other.is_real:
            digits = str(other.evalf(30))
            if exact := _exact(digits):
                return _close(numbers[0].value, exact[0], [numbers[0].places])
    return False


@lru_cache(maxsize=1024)
def parse(latex: str) -> Any:
    """Return math-verify's reading of an expression as a sympy object, or None if it has none."""
    if len(latex) > _LONGEST_EXPRESSION:
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
    return found[0] if found else None
