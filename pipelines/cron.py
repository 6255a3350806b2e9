"""Cron expressions as Kubeflow Pipelines reads them, and when they come next.

It takes six fields, seconds first, in the dialect of Go's robfig/cron, which differs from other
crons: Sunday is 0 and not 7, ``?`` is ``*``, and ``5/15`` is every 15 from 5 on. Five fields it
would take for the first five of those six, silently; so they get the second 0 here.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from z1.errors import InputError

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


class _Field(NamedTuple):
    name: str
    least: int
    most: int
    words: dict[str, int]


_FIELDS = (
    _Field("second", 0, 59, {}),
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day of the month", 1, 31, {}),
    _Field("month", 1, 12, {word: number for number, word in enumerate(_MONTHS, 1)}),
    _Field("day of the week", 0, 6, {word: number for number, word in enumerate(_DAYS)}),
)
_PIECE = re.compile(r"(?P<all>[*?])|(?P<first>\w+)(?:-(?P<last>\w+))?", re.ASCII)
_YEARS = 5  # further than this the server does not look either


class Cron(NamedTuple):
    """When something is to run."""

    text: str
    """The six fields."""
    values: tuple[frozenset[int], ...]
    """What each field allows."""
    either_day: bool
    """Both fields of days are restricted; then a day needs to fit only one of them."""


def parse_cron(expression: str) -> Cron:
    """Read a cron expression of five or six fields.

    Raises InputError that says which field is wrong, or that it names a day that never comes.
    """
    words = expression.split()
    if len(words) not in (5, 6):
        raise InputError(
            f"cron {expression!r} has {len(words)} fields; write five, minute hour day month "
            "weekday, such as '0 3 * * 1', or six with seconds before them"
        )
    if len(words) == 5:
        words.insert(0, "0")
    values = tuple(
        frozenset(_read(word, field, expression))
        for word, field in zip(words, _FIELDS, strict=True)
    )
    # Like the server, which takes a list for unrestricted as soon as one of its pieces is a star.
    either = not any(piece[0] in "*?" for i in (3, 5) for piece in words[i].split(",") if piece)
    cron = Cron(" ".join(words), values, either)
    if next_time(cron, datetime(2000, 1, 1)) is None:  # five years from there have a leap day
        raise InputError(f"cron {expression!r} names a day that never comes")
    return cron


def next_time(cron: Cron, after: datetime) -> datetime | None:
    """Return the first time after another one, in the same zone; None if there is none in years."""
    seconds, minutes, hours = (sorted(values) for values in cron.values[:3])
    day = after.date()
    for _ in range(_YEARS * 366 + 1):
        if _fits(cron, day):
            for hour in hours:
                for minute in minutes:
                    for second in seconds:
                        time = after.replace(
                            year=day.year,
                            month=day.month,
                            day=day.day,
                            hour=hour,
                            minute=minute,
                            second=second,
                            microsecond=0,
                        )
                        if time > after:
                            return time
        day += timedelta(days=1)
    return None


def say_next(cron: Cron, after: datetime | None = None) -> str:
    """Return the next time in words, in UTC; ``after`` is now if absent."""
    time = next_time(cron, after or datetime.now(UTC))
    if time is None:
        return "no day in the next years"
    seconds = ":%S" if time.second else ""
    return f"{time:%A} {time.day} {time:%B %Y} at {time.strftime('%H:%M' + seconds)} UTC"


def _fits(cron: Cron, day: date) -> bool:
    in_month = day.day in cron.values[3]
    in_week = day.isoweekday() % 7 in cron.values[5]
    fits = (in_month or in_week) if cron.either_day else (in_month and in_week)
    return fits and day.month in cron.values[4]


def _read(word: str, field: _Field, expression: str) -> Iterator[int]:
    """Yield the numbers that one field allows."""
    for piece in word.split(","):
        span, slash, step = piece.partition("/")
        found = _PIECE.fullmatch(span)
        if not found or (slash and not (step.isascii() and step.isdigit() and int(step))):
            raise _wrong(piece, field, expression)
        if found["all"]:
            first, last = field.least, field.most
        else:
            first = _number(found["first"], field, expression)
            last = _number(found["last"], field, expression) if found["last"] else first
            if slash and not found["last"]:
                last = field.most
        if first > last:
            raise _wrong(piece, field, expression)
        yield from range(first, last + 1, int(step) if slash else 1)


def _number(word: str, field: _Field, expression: str) -> int:
    number = field.words.get(word.lower(), int(word) if word.isdigit() else -1)
    if not field.least <= number <= field.most:
        raise _wrong(word, field, expression)
    return number


def _wrong(piece: str, field: _Field, expression: str) -> InputError:
    words = f" or {next(iter(field.words))} and so on" if field.words else ""
    return InputError(
        f"cron {expression!r}: {piece!r} is no {field.name}; it takes {field.least} to "
        f"{field.most}{words}, *, ranges (a-b), steps (*/n) and lists (a,b)"
    )
