"""Questions without reference answers, such as those of Z1-Code-Reasoning-107K.

Replies to them can be trained on, but nobody can check them, so ``answer`` and ``verifier`` stay
null and the source goes into the training split whole.
"""

from collections import Counter

import polars as pl

from z1.errors import InputError
from z1.jsonl import read_objects
from z1.problems.files import read_label
from z1.problems.rows import ROWS, refuse
from z1.recipe import QuestionsSource


def read_questions(source: QuestionsSource, key: str) -> tuple[pl.DataFrame, Counter[str]]:
    """Read a file of questions (``ROWS``); leave out nothing.

    Raises InputError that names the file and every line that is wrong.
    """
    rows: list[dict[str, str | None]] = []
    mistakes: list[str] = []
    for where, content in read_objects(source.path):
        try:
            if isinstance(content, ValueError):
                raise content
            question = content.get("question", content.get("prompt"))
            if not isinstance(question, str) or not question.strip():
                raise ValueError("'question' (or 'prompt') is missing or no text")
            row = {name: read_label(content, name) for name in ("id", "difficulty")}
        except ValueError as error:
            mistakes.append(f"{where}: {error}")
            continue
        names = {"source": source.path.name, "where": f"{source.path}, {where}"}
        rows.append({"prompt": question, **row, **names})
    refuse(mistakes, str(source.path))
    if not rows:
        raise InputError(f"{source.path}: there is no question in this file")
    return pl.DataFrame(rows, schema=ROWS), Counter()
