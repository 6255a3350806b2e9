"""Dividing a text where it is not in brackets."""

import re

COMMA = r"(?:(?<!\d),|,(?!\d{3}(?!\d)))"  # not the comma of 1,234
OPENING, CLOSING = "([⦃{", ")]⦄}"


def closes(text: str) -> int:
    """Return where the bracket that opens a text closes, whatever the two look like."""
    depth = 0
    for position, character in enumerate(text):
        depth += (character in OPENING) - (character in CLOSING)
        if depth == 0:
            return position
    return -1


def split(text: str, separator: str) -> list[str]:
    """Divide a text at the separators that stand outside all brackets."""
    pieces, start, depth = [], 0, 0
    pattern = re.compile(rf"(?P<separator>{separator})|[()\[\]{{}}⦃⦄]", re.IGNORECASE)
    for match in pattern.finditer(text):
        if not match["separator"]:
            depth += 1 if match[0] in OPENING else -1
        elif depth == 0:
            pieces.append(text[start : match.start()].strip())
            start = match.end()
    return [*pieces, text[start:].strip()]
