"""Whether reference answers pass their own verifiers.

An answer that its verifier refuses would make every reply to the problem wrong, so it is
found before anything is sampled: the answer is written as a reply and verified like one. Tests
of a program are no reply; their verifier's ``check_reference`` says whether they can be run.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from z1.problems.files import read_problem_file
from z1.problems.procedural import find_mistakes
from z1.problems.rows import refuse
from z1.recipe import ProceduralSource
from z1.verifiers import check_all, load
from z1.verifiers.reference import AnswerError


def check_problems(
    problems: pl.DataFrame, report: Callable[[int, int], None] = lambda done, total: None
) -> pl.DataFrame:
    """Return the rows whose reference answer fails, with the column ``reason`` added.

    ``problems`` has ``answer`` (JSON text) and ``verifier``, both null for a question without a
    reference, which cannot fail; ``report`` hears how many are done.
    """
    problems = problems.filter(pl.col("verifier").is_not_null())
    reasons: list[str | None] = [None] * len(problems)
    items, places = [], []
    for place, (verifier, text) in enumerate(problems.select("verifier", "answer").iter_rows()):
        answer = json.loads(text)
        if hasattr(module := load(verifier), "check_reference"):
            try:
                module.check_reference(answer)
            except AnswerError as error:
                reasons[place] = str(error)
        else:
            items.append((verifier, answer, write_reply(verifier, answer)))
            places.append(place)
    verdicts = check_all(items, report=lambda done: report(done, len(items)))
    for place, verdict in zip(places, verdicts, strict=True):
        if verdict.verdict != "right":
            reasons[place] = verdict.reason or verdict.verdict
    return problems.with_columns(pl.Series("reason", reasons, dtype=pl.String)).filter(
        pl.col("reason").is_not_null()
    )


def check_file(path: Path) -> int:
    """Check every problem of a user's file and return how many there are.

    Raises InputError that names the file and the lines whose reference answer fails.
    """
    problems = read_problem_file(path)
    refuse_failing(check_problems(problems))
    return len(problems)


def find_source_mistakes(content: object) -> list[str]:
    """Return what is wrong with the sources of a recipe's content beyond their form.

    A source that is not even of the right form is passed over. Only procedural ones are looked at:
    a file is read, and a dataset fetched, when the problems are gathered.
    """
    section = content.get("problems") if isinstance(content, dict) else None
    sources = section.get("sources") if isinstance(section, dict) else None
    found = []
    for number, source in enumerate(sources if isinstance(sources, list) else []):
        try:
            made = ProceduralSource.model_validate(source)
        except ValidationError:
            continue
        found += find_mistakes(made, f"problems.sources.{number}")
    return found


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
