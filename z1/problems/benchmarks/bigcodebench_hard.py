"""BigCodeBench-Hard Instruct (arXiv 2406.15877): 148 tasks in words, checked by unit tests.

The prompt names the imports and constants, and the head of the function. The "calibrated" score,
which its authors' leaderboard and most papers give, puts them before every program, for models
leave them out. It is the score here; the report says beside it how many programs are right alone.
"""

from collections.abc import Mapping
from typing import Any

from z1.problems.benchmarks import Question

TITLE = "BigCodeBench-Hard"
DATASET = "bigcode/bigcodebench-hard"
FILES = ("data/v0.1.4-00000-of-00001.parquet",)
PROMPT = "{question}\n\nReason step by step, then give the whole program in one ```python block."


def read(row: Mapping[str, Any], seed: int) -> Question:
    """Read ``instruct_prompt``, ``code_prompt``, the unit tests ``test`` and ``task_id``."""
    prompt, tests = (str(row[column] or "").strip() for column in ("instruct_prompt", "test"))
    if not prompt or not tests:
        raise ValueError("instruct_prompt or test is empty")
    head = f"{str(row['code_prompt'] or '').rstrip()}\n    pass\n"
    answer = {"kind": "unittest", "code": tests, "head": head}
    return Question(prompt, answer, "code", str(row["task_id"]))
