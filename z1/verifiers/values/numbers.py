"""Numbers: exact values of what is written as one, in digits or words, and units."""

import re
from fractions import Fraction

from z1.verifiers.values.kinds import Number

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
BASED = re.compile(r"[+-]?[0-9A-Fa-f]+_\{?(\d+)\}?")
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
UNITS: dict[str, tuple[str, Fraction]] = {}
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
    "speed": "m/s=1 km/s=1000 km/h kmh kph=5/18 mph=1397/3125",
    "angle": "degree deg=1",
    "rotation": "radian rad=1",
}.items():
    for _entry in re.findall(r"([^=]+)=(\S+)\s*", _names):
        for _name in _entry[0].split():
            UNITS[_name] = (_kind, Fraction(_entry[1]))

FUNCTIONS = set(
    re.findall(
        r"\w+",
        "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp sqrt pi max min "
        "gcd lcm mod inf infinity det abs oo",
    )
)


def read_number(text: str) -> Number | None:
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
    exact = read_exact(digits)
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
    if any(word in FUNCTIONS for word in words):
        return False
    if text.lower() in ("st", "nd", "rd", "th"):
        return True
    if len(words) == 1 and len(words[0]) == 1:  # 5 m, but 5x is an expression
        return spaced and words[0] in "mgshlLJNWVAKCF"
    if len(words[0]) <= 3 and words[0].lower() not in UNITS and not spaced:
        return False
    return words[0].lower() not in ("and", "or", "if", "to", "times", "plus", "minus", "divided")


def read_exact(text: str) -> tuple[Fraction, int] | None:
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


_PARTS = {
    "half": 2, "halve": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6,
    "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "twelfth": 12,
}  # fmt: skip


def read_parts(text: str) -> Fraction | None:
    """Read a fraction that is written out: ``three quarters``, ``one-sixth``, ``half``."""
    if whole := re.fullmatch(r"([a-z-]+) and ((?:an? )?[a-z]+[ -]?[a-z]*)", text.strip().lower()):
        ones, part = read_words(whole[1]), read_parts(whole[2])
        return None if ones is None or part is None else ones + part
    match = re.fullmatch(r"(?:([a-z]+)[\s-]+)?([a-z]+?)s?", text.strip().lower())
    if not match or match[2] not in _PARTS:
        return None
    above = 1 if match[1] in ("a", "an") else _WORDS.get(match[1], 0) if match[1] else 1
    if not above or (match[1] is None and match[2] != "half"):
        return None
    return Fraction(above, _PARTS[match[2]])


def read_words(text: str) -> int | None:
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
        elif word in ("minus", "negative") and position == 0:
            continue
        elif not (word == "and" and 0 < position < len(words) - 1):
            return None
        before = _WORDS.get(words[position - 1]) if position and word in _WORDS else None
        if before is not None and not (before >= 20 and _WORDS[word] < 10):
            return None  # "five six" is no number
    return -total if words[0] in ("minus", "negative") or text.lstrip()[0] == "-" else total


def measure(unit: str) -> tuple[str, Fraction] | None:
    """Return what a unit measures and its size; powers count as kinds of their own."""
    match = re.fullmatch(
        r"(?:(?P<area>square|sq\.?|cubic|cu\.?)\s+)?(?P<name>[a-zA-Z]+(?:/[a-zA-Z]+)?)\.?"
        r"(?:\s*\^?\s*\{?(?P<power>[23])\}?)?",
        unit.strip(),
    )
    if not match:
        return None
    name = match["name"] if match["name"] in UNITS else match["name"].lower()
    found = UNITS.get(name) or UNITS.get(name.removesuffix("s"))
    if not found:
        return None
    power = int(match["power"] or {"s": 2, "c": 3}.get((match["area"] or " ")[0].lower(), 1))
    return f"{found[0]}^{power}", found[1] ** power
