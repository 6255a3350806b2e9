"""Questions without reference answers, such as those of Z1-Code-Reasoning-107K.

Replies to them can be trained on, but nobody can check them, so ``answer`` and ``verifier`` stay
null and the source goes into the training split whole.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from z1.errors import InputError
from z1.jsonl import read_objects
from z1.problems.files import read_label
from z1.problems.huggingface import load_rows
from z1.problems.rows import ROWS, refuse
from z1.recipe import QuestionsSource

_COLUMNS = ("question", "instruction", "prompt")


def read_questions(source: QuestionsSource, key: str) -> tuple[pl.DataFrame, Counter[str]]:
    """Read a file or dataset of questions (``ROWS``); leave out nothing.

    Raises InputError that names the file and every line that is wrong.
    """
    rows: list[dict[str, str | None]] = []
    mistakes: list[str] = []
    for where, content in _read(source, key):
        try:
            if isinstance(content, ValueError):
                raise content
            found = (content[name] for name in _COLUMNS if content.get(name) is not None)
            question = next(found, None)
            if not isinstance(question, str) or not question.strip():
                raise ValueError(f"{_COLUMNS[0]!r} is missing or no text")
            row = {name: read_label(content, name) for name in ("id", "difficulty")}
        except ValueError as error:
            mistakes.append(f"{where}: {error}")
            continue
        names = {"source": source.path, "where": f"{source.path}, {where}"}
        rows.append({"prompt": question, **row, **names})
    refuse(mistakes, source.path)
    if not rows:
        raise InputError(f"{source.path}: there is no question in this file")
    return pl.DataFrame(rows, schema=ROWS), Counter()


def _read(
    source: QuestionsSource, key: str
) -> Iterator[tuple[str, Mapping[str, Any] | ValueError]]:
    if Path(source.path).suffix in (".jsonl", ".parquet"):
        yield from read_objects(Path(source.path))
        return
    for number, row in enumerate(load_rows(source, key), start=1):
        yield f"row {number}", row
