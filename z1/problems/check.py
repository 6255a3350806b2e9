"""Whether reference answers pass their own verifiers.

An answer that its verifier refuses would make every reply to the problem wrong, so it is
found before anything is sampled: the answer is written as a reply and verified like one.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from z1.problems.files import read_problem_file
from z1.problems.rows import refuse
from z1.verifiers import check_all


def check_problems(
    problems: pl.DataFrame, report: Callable[[int, int], None] = lambda done, total: None
) -> pl.DataFrame:
    """Return the rows whose reference answer fails, with the column ``reason`` added.

    ``problems`` has ``answer`` (JSON text) and ``verifier``, both null for a question without a
    reference, which cannot fail; ``report`` hears how many are done.
    """
    problems = problems.filter(pl.col("verifier").is_not_null())
    items = []
    for verifier, text in problems.select("verifier", "answer").iter_rows():
        answer = json.loads(text)
        items.append((verifier, answer, write_reply(verifier, answer)))
    verdicts = check_all(items, report=lambda done: report(done, len(items)))
    reasons = pl.Series(
        "reason",
        [
            None if verdict.verdict == "right" else verdict.reason or verdict.verdict
            for verdict in verdicts
        ],
        dtype=pl.String,
    )
    return problems.with_columns(reasons).filter(pl.col("reason").is_not_null())


def check_file(path: Path) -> int:
    """Check every problem of a user's file and return how many there are.

    Raises InputError that names the file and the lines whose reference answer fails.
    """
    problems = read_problem_file(path)
    refuse_failing(check_problems(problems))
    return len(problems)


def refuse_failing(failing: pl.DataFrame) -> None:
    """Raise InputError if any row failed its check, naming where each stands."""
    mistakes = [
        f"{where}: verifier {verifier!r} refuses the problem's own answer: {reason}"
        for where, verifier, reason in failing.select("where", "verifier", "reason").iter_rows()
    ]
    refuse(mistakes, "reference answers that fail")


def write_reply(verifier: str, answer: Any) -> str:
    """Write a reference answer as the reply that a model would give."""
    if verifier == "procedural":
        # An entry without an answer gets an empty reply, which its verifier then refuses.
        return str(answer.get("answer") or "") if isinstance(answer, dict) else ""
    if isinstance(answer, list):
        text = ", ".join(_write_value(item) for item in answer)
    else:
        text = _write_value(answer)
    if verifier == "math" and "\\boxed" not in text:
        return f"\\boxed{{{text}}}"
    return text


def _write_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
