"""MATH500: 500 problems of MATH (arXiv 2103.03874) in five levels, the answer in LaTeX."""

from collections.abc import Mapping
from typing import Any

from z1.problems.benchmarks import Question
from z1.problems.huggingface import ADAPTERS

TITLE = "MATH500"
DATASET = "HuggingFaceH4/MATH-500"
FILES = ("test.jsonl",)
PROMPT = "{question}\n\nReason step by step and put the final answer in \\boxed{}."


def read(row: Mapping[str, Any], seed: int) -> Question:
    """Read ``problem``, ``answer``, ``level`` (1 to 5) and ``unique_id``."""
    found = ADAPTERS["math"](row)
    return Question(found.prompt, found.answer, "math", row["unique_id"], found.difficulty)
