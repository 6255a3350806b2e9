"""Reading the files people write: JSON lines, or a Parquet table."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from z1.errors import InputError


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any] | ValueError]]:
    """Yield each object of a .jsonl or .parquet file with its place, such as ``line 7``.

    Blank lines count but are passed over. A line that is no JSON object yields the ValueError
    that says so, for the caller to raise or to collect. Raises InputError if the file cannot be
    read.
    """
    if path.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"{path}: not a .jsonl or .parquet file")
    try:
        if path.suffix == ".parquet":
            for number, row in enumerate(pl.read_parquet(path).iter_rows(named=True), start=1):
                yield f"row {number}", row
            return
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield f"line {number}", _parse(line.rstrip())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


def _parse(line: bytes) -> dict[str, Any] | ValueError:
    try:
        content = json.loads(
            line.decode("utf-8-sig"), parse_constant=_no_constant, parse_float=_finite
        )
    except json.JSONDecodeError as error:
        return ValueError(f"not JSON: {error.msg} at column {error.colno}")
    except UnicodeDecodeError:
        return ValueError("not UTF-8 text")
    except RecursionError:
        return ValueError("not usable JSON: nested too deeply")
    except ValueError as error:
        return error
    if not isinstance(content, dict):
        return ValueError("not a JSON object")
    return content


def _no_constant(name: str) -> float:
    raise ValueError(f"not JSON: {name} is no JSON value")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits} is beyond the range of numbers")
    return number


def is_half_character(text: str) -> bool:
    """Tell whether a text holds half of a surrogate pair, which JSON can say and no file can."""
    return any("\ud800" <= character <= "\udfff" for character in text)
