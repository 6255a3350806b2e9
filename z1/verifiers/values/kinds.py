"""What an answer can be: a number, a group, a union, something named, words, or an expression."""

from dataclasses import dataclass
from fractions import Fraction


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
class Matrix(Value):
    """Rows of values; one row or one column is a vector, too."""

    rows: tuple[Group, ...]


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
