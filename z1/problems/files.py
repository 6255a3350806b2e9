"""Problems from a JSONL or Parquet file of one's own."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from z1.errors import InputError
from z1.jsonl import is_half_character, read_objects
from z1.problems.rows import ROWS, refuse
from z1.recipe import FileSource
from z1.verifiers import VERIFIERS


def read_file(source: FileSource, key: str) -> tuple[pl.DataFrame, Counter[str]]:
    """Read a file source: its rows (``ROWS``), and what was left out, which is nothing.

    Raises InputError that names the file and every line that is wrong.
    """
    return read_problem_file(source.path), Counter()


def read_problem_file(path: Path) -> pl.DataFrame:
    """Read problems with ``prompt``, ``answer``, ``verifier``, optionally ``id``, ``difficulty``.

    ``answer`` is any JSON value but null. Raises InputError that names the file and every line
    that is wrong.
    """
    rows: list[dict[str, str | None]] = []
    mistakes: list[str] = []
    first_with_id: dict[str, str] = {}
    for where, content in read_objects(path):
        try:
            if isinstance(content, ValueError):
                raise content
            row = _read_row(content)
            if row["id"] is not None:
                first = first_with_id.setdefault(row["id"], where)
                if first != where:
                    raise ValueError(f"id {row['id']!r} is already that of {first}")
        except ValueError as error:
            mistakes.append(f"{where}: {error}")
            continue
        rows.append({**row, "source": path.name, "where": f"{path}, {where}"})
    refuse(mistakes, str(path))
    if not rows:
        raise InputError(f"{path}: there is no problem in this file")
    return pl.DataFrame(rows, schema=ROWS)


def _read_row(content: Mapping[str, Any]) -> dict[str, str | None]:
    """Check one problem's fields. Raises ValueError that says which is wrong."""
    for field in ("prompt", "answer", "verifier"):
        value = content.get(field)
        if field not in content or value is None:
            raise ValueError(f"{field} is missing")
        if (isinstance(value, str) and not value.strip()) or value in ([], {}):
            raise ValueError(f"{field} is empty")
    for field in ("prompt", "verifier"):
        if not isinstance(content[field], str):
            raise ValueError(f"{field} must be text, not {content[field]!r}")
    if content["verifier"] not in VERIFIERS:
        known = ", ".join(sorted(VERIFIERS))
        raise ValueError(f"verifier {content['verifier']!r} is not one of {known}")
    try:
        answer = json.dumps(content["answer"], ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:  # Parquet has values that JSON lacks
        raise ValueError(f"answer {content['answer']!r} has no form in JSON") from error
    row = {
        "id": read_label(content, "id"),
        "prompt": content["prompt"],
        "answer": answer,
        "verifier": content["verifier"],
        "difficulty": read_label(content, "difficulty"),
    }
    for field, text in row.items():
        if text is not None and is_half_character(text):
            raise ValueError(f"{field} holds half of a surrogate pair, which is no character")
    return row


def read_label(content: Mapping[str, Any], field: str) -> str | None:
    """Return an optional field that may be a number or text, as text."""
    value = content.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{field} must be text or a number, not {value!r}")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{field} must be a finite number")
        value = int(value) if value.is_integer() else value
    text = str(value).strip()
    if not text:
        raise ValueError(f"{field} is empty")
    return text
