"""Expressions that nobody can compute, recognised before anyone tries."""

import math
import re

_LARGEST_EXPONENT = 20_000
_LARGEST_OF_SUM = 10_000
_POWER = re.compile(r"(\d+)\s*\)?\s*\^\s*(?:\{\s*-?\s*(\d+)\s*\}|\(\s*-?\s*(\d+)\s*\)|(\d))")
_EXPONENT = re.compile(r"\^\s*[{(]?\s*-?\s*(\d+)")
_FACTORIAL = re.compile(r"(\d+)\s*[)}]?\s*!|!\s*[)}]?\s*!()")
_BINOMIAL = re.compile(r"\\[dt]?binom\s*\{\s*(\d+)")


def is_huge(latex: str) -> bool:
    """Tell whether an expression holds a power, factorial or sum of more digits than fit."""
    bases = re.search(r"\)\s*\^\s*[{(]?\s*\d{4,}", latex)
    if bases and re.search(r"(?<![\\a-zA-Z])[a-z](?![a-zA-Z])", latex):
        return True  # of a sum of names, to be multiplied out
    while match := _POWER.search(latex):
        exponent = match[2] or match[3] or match[4]
        if len(exponent) > 6 or int(exponent) > _LARGEST_EXPONENT:
            return True
        digits = int(exponent) * math.log10(max(2, int(match[1][:300] or 0)))
        # as the exponent of another, one of seven digits is as huge as any
        value = str(int(match[1]) ** int(exponent)) if digits < 7 else "9999999"
        latex = f"{latex[: match.start()]}{value}{latex[match.end() :]}"
    if any(len(m[1]) > 6 or int(m[1]) > _LARGEST_EXPONENT for m in _EXPONENT.finditer(latex)):
        return True
    sizes = [match[1] for pattern in (_FACTORIAL, _BINOMIAL) for match in pattern.finditer(latex)]
    return any(size is None or len(size) > 4 or int(size) > _LARGEST_OF_SUM for size in sizes)
