"""Problems from a dataset on the Hugging Face hub, or a local copy of one.

Each set of columns has a function that turns a row into a problem; all use verifier ``math``.
A row that has no answer to check by is left out and counted, since it is not the user's to mend.

    numina  NuminaMath: ``problem``; the answer is column ``answer`` (1.5) or the last box of
            ``solution`` (CoT); the subset that ``source`` names stands as difficulty
    gsm8k   ``question``; the answer follows ``####`` in ``answer``
    math    MATH: ``problem``; ``answer`` or the last box of ``solution``; ``level``
    aime    AIME: ``problem`` or ``question``, and ``answer``, in any case of letters
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from z1.errors import InputError
from z1.problems.rows import ROWS
from z1.recipe import HubSource, HuggingFaceSource

_NO_ANSWERS = {"proof", "notfound", "not found", "none", "nan"}


@dataclass(frozen=True)
class Found:
    """A problem with verifier ``math``."""

    prompt: str
    answer: str
    difficulty: str | None = None


class LeftOutError(Exception):
    """A row is no problem with an answer; says why."""


def read_huggingface(source: HuggingFaceSource, key: str) -> tuple[pl.DataFrame, Counter[str]]:
    """Read a dataset (``ROWS``); also return how many rows were left out, by reason.

    ``key`` is the source's key in the recipe. Raises InputError where the dataset cannot be had,
    has other columns than ``source.columns`` says, or holds no problem with an answer.
    """
    if source.until_year is not None and source.columns != "aime":
        raise InputError(f"{key}.until_year: only a source with columns 'aime' has years")
    adapter = ADAPTERS[source.columns]
    rows: list[dict[str, str | None]] = []
    dropped: Counter[str] = Counter()
    for number, content in enumerate(load_rows(source, key), start=1):
        try:
            found = adapter(content)
            if source.until_year is not None and _year(content, key) > source.until_year:
                raise LeftOutError(f"later than {source.until_year}")
        except LeftOutError as reason:
            dropped[str(reason)] += 1
            continue
        except KeyError as missing:
            raise InputError(
                f"{key}.columns: {source.path} has no column {missing}, which "
                f"{source.columns!r} needs; it has {', '.join(content)}"
            ) from missing
        rows.append(
            {
                "prompt": found.prompt,
                "answer": json.dumps(found.answer, ensure_ascii=False),
                "verifier": "math",
                "difficulty": found.difficulty,
                "source": source.path,
                "where": f"{source.path}, row {number}",
            }
        )
    if not rows:
        reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
        raise InputError(
            f"{key}: no row of {source.path} is a problem with an answer ({reasons or 'no rows'})"
        )
    return pl.DataFrame(rows, schema=ROWS), dropped


def load_rows(source: HubSource, key: str) -> Any:
    """Return the rows of a source's dataset. Raises InputError that says what to do without it."""
    from datasets import load_dataset

    try:
        return load_dataset(
            source.path, source.name, split=source.hub_split, revision=source.revision
        )
    except Exception as error:  # its errors have no common ancestor, and the message says it all
        raise InputError(
            f"{key}: cannot load dataset {source.path} "
            f"(name {source.name}, split {source.hub_split}): {error}\n"
            "  Without the hub, put the dataset's Parquet or JSONL files into a folder, "
            f"such as FOLDER/{source.hub_split}.parquet, and name the folder in {key}.path"
        ) from error


def _numina(row: Mapping[str, Any]) -> Found:
    for column in ("problem_is_valid", "solution_is_valid"):
        if row.get(column, "Yes") != "Yes":
            raise LeftOutError("marked as faulty by the dataset's authors")
    return Found(_prompt(row["problem"]), _answer_or_box(row), _text(row.get("source")) or None)


def _gsm8k(row: Mapping[str, Any]) -> Found:
    prompt = _prompt(row["question"])
    _, mark, answer = _text(row["answer"]).rpartition("####")
    if not mark:
        raise LeftOutError("without an answer")
    return Found(prompt, _usable(re.sub(r"(?<=\d),(?=\d{3})", "", answer).strip()))


def _math(row: Mapping[str, Any]) -> Found:
    level = re.search(r"\d+", _text(row.get("level")))
    difficulty = f"Level {level.group()}" if level else None
    return Found(_prompt(row["problem"]), _answer_or_box(row), difficulty)


def _aime(row: Mapping[str, Any]) -> Found:
    columns = {name.casefold(): value for name, value in row.items()}
    prompt = columns["problem"] if "problem" in columns else columns["question"]
    answer = _usable(_text(columns["answer"]))
    # The answers are printed with three digits, models write them as numbers.
    return Found(_prompt(prompt), answer.lstrip("0") or "0" if answer.isdecimal() else answer)


def _year(row: Mapping[str, Any], key: str) -> int:
    """Return the year of an AIME problem, from its own column or from its id or address."""
    columns = {name.casefold(): value for name, value in row.items()}
    for name in ("year", "id", "url"):
        if found := re.search(r"(?<!\d)(?:19|20)\d\d(?!\d)", _text(columns.get(name))):
            return int(found.group())
    raise InputError(f"{key}.until_year: a problem names no year in column year, id or url")


ADAPTERS: dict[str, Callable[[Mapping[str, Any]], Found]] = {
    "numina": _numina,
    "gsm8k": _gsm8k,
    "math": _math,
    "aime": _aime,
}
"""What turns a row into a problem, by the set of columns; raises KeyError where one is missing and
LeftOutError for a row without an answer."""


def _answer_or_box(row: Mapping[str, Any]) -> str:
    if row.get("answer") is not None:
        return _usable(_text(row["answer"]))
    box = last_box(_text(row["solution"]))
    if box is None:
        raise LeftOutError("without an answer")
    return _usable(box)


def _usable(answer: str) -> str:
    if not answer or answer.casefold() in _NO_ANSWERS:
        raise LeftOutError("without an answer")
    return answer


def _prompt(value: object) -> str:
    prompt = _text(value)
    if not prompt:
        raise LeftOutError("without a prompt")
    return prompt


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():  # a CSV column of numbers with a gap
        value = int(value)
    return "" if value is None else str(value).strip()


def last_box(text: str) -> str | None:
    r"""Return what stands in the last whole ``\boxed{...}`` of a text, or None.

    >>> last_box(r"so \boxed{\frac{1}{2}}.")
    '\\frac{1}{2}'
    """
    for start in reversed([match.end() for match in re.finditer(r"\\f?boxed\s*\{", text)]):
        depth = 1
        for end in range(start, len(text)):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if depth == 0:
                return text[start:end].strip()
    return None
