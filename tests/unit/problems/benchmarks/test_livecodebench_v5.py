import base64
import json
import os
import pickle
import zlib

import pytest

from z1.errors import InputError

NAME = "livecodebench-v5"


def encode(value):
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


def test_public_and_private_tests_make_the_answer(rows, read):
    problems, dropped = read(NAME, rows(NAME))
    assert [problem["answer"] for problem in problems] == [
        {
            "kind": "stdin",
            "tests": [
                {"input": "4\n", "output": "8\n"},
                {"input": "0\n", "output": "0\n"},
                {"input": "-12\n", "output": "-24\n"},
            ],
        },
        {
            "kind": "call",
            "entry_point": "pick",
            "tests": [
                {"args": [[1, 5, 9], 6], "expected": 5},
                {"args": [[7], 3], "expected": -1},
                {"args": [[2, 3], 3], "expected": 3},
            ],
        },
        {
            "kind": "stdin",
            "tests": [
                {"input": "a b c\n", "output": "c b a\n"},
                {"input": "one\n", "output": "one\n"},
            ],
        },
    ]
    assert {problem["verifier"] for problem in problems} == {"code"}
    assert [problem["difficulty"] for problem in problems] == ["1 easy", "2 medium", "3 hard"]
    assert "standard input" in problems[0]["prompt"]
    assert "def pick(self, nums: List[int], limit: int) -> int:" in problems[1]["prompt"]
    # Not one expected value is in a prompt.
    assert "-24" not in problems[0]["prompt"]
    assert dropped == {"of contests outside May 2023 to January 2025": 1}


@pytest.mark.parametrize(
    ("day", "kept"),
    [("2023-04-30", 0), ("2023-05-01", 1), ("2025-01-31", 1), ("2025-02-01", 0)],
)
def test_contests_are_those_of_release_five(day, kept, rows, read):
    first = rows(NAME)[0]
    problems, _ = read(NAME, [*rows(NAME)[1:2], first | {"contest_date": f"{day}T23:00:00"}])
    assert len(problems) == 1 + kept


class Hostile:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def test_a_pickle_that_would_run_code_is_refused_and_does_not(rows, read, tmp_path):
    mark = tmp_path / "it ran"
    row = rows(NAME)[0] | {"private_test_cases": encode(Hostile(str(mark)))}
    with pytest.raises(InputError, match=r"line 1: private_test_cases cannot be decoded.*mkdir"):
        read(NAME, [row])
    assert not mark.exists()


@pytest.mark.parametrize(
    ("tests", "reason"),
    [
        (encode([{"input": "", "output": ""}]), "hold list, not text"),
        (encode("no JSON"), "Expecting value"),
        ("%%%", "cannot be decoded"),
        (base64.b64encode(zlib.compress(b"\x80\x04K")).decode(), "cannot be decoded"),
    ],
)
def test_tests_of_another_form_are_refused(tests, reason, rows, read):
    with pytest.raises(InputError, match=f"line 1: .*{reason}"):
        read(NAME, [rows(NAME)[0] | {"private_test_cases": tests}])


def test_large_and_strange_values_come_through(rows, read):
    test = {"input": '"é\\n"\n[]\n-1e3', "output": json.dumps({"a": [None, 10**30]})}
    row = rows(NAME)[1] | {"public_test_cases": json.dumps([test]), "private_test_cases": "[]"}
    [problem], _ = read(NAME, [row])
    assert problem["answer"]["tests"] == [
        {"args": ["é\n", [], -1000.0], "expected": {"a": [None, 10**30]}}
    ]
