"""AIME 2024: the 30 problems of that year's two papers, the answer a whole number below 1,000."""

from collections.abc import Mapping
from typing import Any

from z1.problems.benchmarks import Question
from z1.problems.huggingface import ADAPTERS

TITLE = "AIME 2024"
DATASET = "HuggingFaceH4/aime_2024"
FILES = ("data/train-00000-of-00001.parquet",)
PROMPT = "{question}\n\nReason step by step and put the final answer in \\boxed{}."


def read(row: Mapping[str, Any], seed: int) -> Question:
    """Read ``problem``, ``answer`` (three digits) and ``id``."""
    found = ADAPTERS["aime"](row)
    return Question(found.prompt, found.answer, "math", str(row["id"]))
