"""Verdicts on a JSONL file of replies, for people: what ``z1 verify`` does."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from z1.errors import InputError
from z1.jsonl import read_objects
from z1.records import write_bytes
from z1.verifiers import VERIFIERS, check_all


def verify_file(replies: Path, output: Path) -> dict[str, int]:
    """Check each reply of a JSONL or Parquet file and write JSON lines with their verdicts.

    A line has ``verifier``, ``answer`` and ``text``; ``verdict`` and ``reason`` (null if right) are
    added, ``details`` where the verifier has some, and all else is kept. The output ``-`` is
    standard output. Returns how often each verdict was given.

    Raises InputError that names the file and line if one is not such a reply; an earlier output
    stays as it was.
    """
    rows = _read(replies)
    verdicts = check_all([(row["verifier"], row["answer"], row["text"]) for row in rows])
    lines = [
        _write(
            {
                **row,
                **verdict._asdict(),
                **({"details": verdict.details} if verdict.details else {}),
            }
        )
        for row, verdict in zip(rows, verdicts, strict=True)
    ]
    try:
        if output == Path("-"):
            sys.stdout.buffer.write(b"".join(lines))
            sys.stdout.flush()
        else:
            write_bytes(output, b"".join(lines))
    except BrokenPipeError:
        raise  # whoever read has had enough, and nothing is wrong
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror or error}") from error
    counts = Counter(verdict.verdict for verdict in verdicts)
    return {name: counts[name] for name in ("right", "wrong", "error")}


def _write(row: dict[str, Any]) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half a character, which only JSON's escapes can carry
        return json.dumps(row).encode() + b"\n"


def _read(path: Path) -> list[dict[str, Any]]:
    rows = []
    for place, content in read_objects(path):
        try:
            if isinstance(content, ValueError):
                raise content
            _check(content)
        except ValueError as error:
            raise InputError(f"{path}, {place}: {error}") from error
        rows.append(content)
    return rows


def _check(row: dict[str, Any]) -> None:
    """Raise ValueError that says what a line lacks."""
    for key in ("verifier", "answer", "text"):
        if key not in row:
            raise ValueError(f"{key} is missing")
    if not isinstance(row["text"], str):
        raise ValueError(f"text must be text, the reply to check, not {row['text']!r}")
    if row["verifier"] not in list(VERIFIERS):
        raise ValueError(f"verifier {row['verifier']!r} is not one of {', '.join(VERIFIERS)}")
    for key, value in row.items():  # Parquet has values that JSON lacks
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{key} holds {value!r}, which has no form in JSON") from error
