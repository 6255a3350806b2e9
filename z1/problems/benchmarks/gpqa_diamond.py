"""GPQA Diamond (arXiv 2311.12022): 198 questions of science with four choices each.

The files name the right choice, so the order is ours to draw: a hash of seed and question, the same
on every machine. Its authors ask not to print the questions where crawlers find them, and the hub
shows them only to those who agree.
"""

import random
from collections.abc import Mapping
from typing import Any

from z1.problems.benchmarks import Question

TITLE = "GPQA Diamond"
DATASET = "Idavidrein/gpqa"
FILES = ("gpqa_diamond.csv",)
PROMPT = "{question}\n\nReason step by step and put the letter of the right answer in \\boxed{}."

_RIGHT = "Correct Answer"
_WRONG = tuple(f"Incorrect Answer {number}" for number in (1, 2, 3))
_LEVELS = {
    "easy undergraduate": "1 easy undergraduate",
    "hard undergraduate": "2 hard undergraduate",
    "hard graduate": "3 hard graduate",
    "post-graduate": "4 post-graduate",
}


def read(row: Mapping[str, Any], seed: int) -> Question:
    """Read ``Question``, its four answers, ``Record ID`` and the writer's estimate, if any."""
    question = _text(row, "Question")
    choices = [_text(row, column) for column in (_RIGHT, *_WRONG)]
    order = [0, 1, 2, 3]
    random.Random(f"{seed}\n{question}").shuffle(order)
    listed = [f"{letter}) {choices[place]}" for letter, place in zip("ABCD", order, strict=True)]
    return Question(
        "\n".join([question, "", *listed]),
        "ABCD"[order.index(0)],
        "choice",
        _text(row, "Record ID"),
        _level(str(row.get("Writer's Difficulty Estimate") or "")),
    )


def _text(row: Mapping[str, Any], column: str) -> str:
    text = str(row[column] or "").strip()
    if not text:
        raise ValueError(f"{column} is empty")
    return text


def _level(estimate: str) -> str | None:
    start = estimate.casefold()
    return next((label for words, label in _LEVELS.items() if start.startswith(words)), None)
