"""GSM8K (arXiv 2110.14168): 1,319 word problems of grade school, the answer a whole number."""

from collections.abc import Mapping
from typing import Any

from z1.problems.benchmarks import Question
from z1.problems.huggingface import ADAPTERS

TITLE = "GSM8K"
DATASET = "openai/gsm8k"
FILES = ("main/test-00000-of-00001.parquet",)
PROMPT = "{question}\n\nReason step by step and put the final answer in \\boxed{}."


def read(row: Mapping[str, Any], seed: int) -> Question:
    """Read ``question`` and ``answer``, whose last line is ``#### NUMBER``."""
    found = ADAPTERS["gsm8k"](row)
    return Question(found.prompt, found.answer, "math")
