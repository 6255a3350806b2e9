"""Problem files: what is read, and the one message for what is wrong."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from z1.errors import InputError
from z1.problems.files import read_problem_file

GOOD = {"prompt": "1 + 1?", "answer": "2", "verifier": "math"}


def write(path: Path, *lines: dict[str, Any] | str | bytes) -> Path:
    raw = [json.dumps(line) if isinstance(line, dict) else line for line in lines]
    path.write_bytes(b"\n".join(t if isinstance(t, bytes) else t.encode() for t in raw) + b"\n")
    return path


def test_fields_are_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "mine.jsonl",
        {**GOOD, "id": 7, "difficulty": 2.0, "note": "extra keys are fine"},
        "",
        {**GOOD, "prompt": "größer?", "id": " b ", "difficulty": "hard", "verifier": "exact"},
    )
    rows = read_problem_file(path)
    assert rows.select("id", "prompt", "answer", "verifier", "difficulty").rows() == [
        ("7", "1 + 1?", '"2"', "math", "2"),
        ("b", "größer?", '"2"', "exact", "hard"),
    ]
    assert rows["where"].to_list() == [f"{path}, line 1", f"{path}, line 3"]
    assert set(rows["source"]) == {"mine.jsonl"}


json_values = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
).filter(lambda value: value not in ([], {}) and (not isinstance(value, str) or value.strip()))


@given(answer=json_values)
def test_answers_of_any_json_type_come_back_as_json(
    tmp_path_factory: pytest.TempPathFactory, answer: Any
) -> None:
    path = write(tmp_path_factory.mktemp("p") / "a.jsonl", {**GOOD, "answer": answer})
    assert json.loads(read_problem_file(path)["answer"][0]) == answer


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"prompt": "1 + 1?", "answer": ', "not JSON: .* at column 31"),
        ('{"prompt": "1 + 1?", "answer": NaN, "verifier": "math"}', "not JSON: NaN is no JSON"),
        (b'{"prompt": "\xff"}', "not UTF-8 text"),
        ("[1, 2]", "not a JSON object"),
        ("[" * 100_000, "nested too deeply"),
        ({"prompt": "x", "verifier": "math"}, "answer is missing"),
        ({**GOOD, "answer": None}, "answer is missing"),
        ({**GOOD, "answer": "  "}, "answer is empty"),
        ({**GOOD, "answer": []}, "answer is empty"),
        ({**GOOD, "prompt": ""}, "prompt is empty"),
        ({**GOOD, "prompt": 3}, "prompt must be text, not 3"),
        ({**GOOD, "verifier": "maths"}, "verifier 'maths' is not one of choice, code, exact, math"),
        ({**GOOD, "difficulty": [1]}, r"difficulty must be text or a number, not \[1\]"),
        ({**GOOD, "id": True}, "id must be text or a number, not True"),
        ({**GOOD, "id": ""}, "id is empty"),
        ({**GOOD, "prompt": "\ud800"}, "prompt holds half of a surrogate pair"),
        ({**GOOD, "id": "a"}, "id 'a' is already that of line 1"),
    ],
)
def test_a_wrong_line_is_named(
    tmp_path: Path, line: dict[str, Any] | str | bytes, message: str
) -> None:
    path = write(tmp_path / "mine.jsonl", {**GOOD, "id": "a"}, "", line, GOOD)
    with pytest.raises(InputError, match=f"mine.jsonl: 1 mistake.*\n  line 3: .*{message}"):
        read_problem_file(path)


def test_all_wrong_lines_are_named_up_to_twenty(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.jsonl", GOOD, *["{"] * 25)
    with pytest.raises(InputError) as caught:
        read_problem_file(path)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("25 mistake(s)")
    assert [line.split(":")[0] for line in lines[1:-1]] == [f"  line {n}" for n in range(2, 22)]
    assert lines[-1] == "  ... and 5 more"


def test_parquet_rows_are_read_and_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    frame = pl.DataFrame({"prompt": ["a", "b"], "answer": [1.5, 2.0], "verifier": ["exact"] * 2})
    frame.write_parquet(path)
    rows = read_problem_file(path)
    assert rows["answer"].to_list() == ["1.5", "2.0"]
    assert rows["where"].to_list() == [f"{path}, row 1", f"{path}, row 2"]
    frame.with_columns(verifier=pl.Series(["exact", None])).write_parquet(path)
    with pytest.raises(InputError, match="row 2: verifier is missing"):
        read_problem_file(path)
    frame.with_columns(answer=pl.Series([float("nan"), 1.0])).write_parquet(path)
    with pytest.raises(InputError, match="row 1: answer nan has no form in JSON"):
        read_problem_file(path)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl: cannot be read"):
        read_problem_file(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match=r"empty\.jsonl: there is no problem"):
        read_problem_file(write(tmp_path / "empty.jsonl", ""))
    with pytest.raises(InputError, match=r"mine\.csv: not a \.jsonl or \.parquet file"):
        read_problem_file(write(tmp_path / "mine.csv", "prompt,answer"))
    with pytest.raises(InputError, match=r"bad\.parquet: cannot be read"):
        read_problem_file(write(tmp_path / "bad.parquet", "no table"))
