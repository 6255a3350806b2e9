"""LiveCodeBench v5 (arXiv 2403.07974): 880 problems of contests from May 2023 to January 2025.

That is its release 5, whose files hold just these; from files with later contests too, the later
ones are left out by their date. A program is right if it passes the public and the private tests.
The private tests come as JSON, or as JSON that was pickled, deflated and written in base 64. A
pickle can run code, so it is read as what it has to be: a single text.

All tests together are several gigabytes of text, in memory too.
"""

import base64
import io
import json
import pickle
import zlib
from collections.abc import Mapping
from typing import Any, NoReturn

from z1.problems.benchmarks import Question
from z1.problems.huggingface import LeftOutError

TITLE = "LiveCodeBench v5"
DATASET = "livecodebench/code_generation_lite"
FILES = ("test.jsonl", "test2.jsonl", "test3.jsonl", "test4.jsonl", "test5.jsonl")
PROMPT = "{question}\n\nReason step by step, then give the whole program in one ```python block."

_FIRST, _LAST = "2023-05-01", "2025-01-31"  # days of contests
_LEVELS = {"easy": "1 easy", "medium": "2 medium", "hard": "3 hard"}
_STDIN = "The program reads standard input and writes its answer to standard output."


def read(row: Mapping[str, Any], seed: int) -> Question:
    """Read a problem whose program talks to standard input and output, or is a function."""
    day = str(row["contest_date"])[:10]
    if not _FIRST <= day <= _LAST:
        raise LeftOutError("of contests outside May 2023 to January 2025")
    tests = [*_as_json(row["public_test_cases"]), *_decode(row["private_test_cases"])]
    starter = str(row["starter_code"] or "").strip("\n")
    if starter:
        how = f"The program completes this code:\n\n```python\n{starter}\n```"
        answer = {
            "kind": "call",
            "entry_point": _as_json(row["metadata"])["func_name"],
            "tests": [_call(test) for test in tests],
        }
    else:
        how = _STDIN
        answer = {
            "kind": "stdin",
            "tests": [{"input": test["input"], "output": test["output"]} for test in tests],
        }
    question = f"{str(row['question_content']).strip()}\n\n{how}"
    level = _LEVELS.get(str(row["difficulty"]))
    return Question(question, answer, "code", str(row["question_id"]), level)


def _call(test: Mapping[str, str]) -> dict[str, Any]:
    """Return a call: its arguments stand as JSON, one a line."""
    lines = test["input"].strip("\n").split("\n")
    return {"args": [json.loads(line) for line in lines], "expected": json.loads(test["output"])}


def _decode(tests: Any) -> Any:
    if not isinstance(tests, str) or tests.lstrip().startswith("["):
        return _as_json(tests)
    try:
        packed = zlib.decompress(base64.b64decode(tests))
        text = _TextUnpickler(io.BytesIO(packed)).load()
    except Exception as error:  # a broken pickle raises anything
        raise ValueError(f"private_test_cases cannot be decoded: {error}") from error
    if not isinstance(text, str):
        raise ValueError(f"private_test_cases hold {type(text).__name__}, not text")
    return json.loads(text)


class _TextUnpickler(pickle.Unpickler):
    """Reads pickles of plain values; whatever names a class or function is refused."""

    def find_class(self, module: str, name: str, /) -> NoReturn:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, and tests are plain text")

    def persistent_load(self, pid: Any, /) -> NoReturn:
        raise pickle.UnpicklingError("it refers to something outside, and tests are plain text")


def _as_json(value: Any) -> Any:
    """Return what JSON text says; copies of the files may hold it read already."""
    return json.loads(value) if isinstance(value, str) else value
