"""Verdicts on a JSONL file."""

import datetime
import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from z1.errors import InputError
from z1.verifiers.files import verify_file

GOOD = '{"verifier": "exact", "answer": "a", "text": "a"}'


def test_lines_keep_their_order_and_other_keys(tmp_path: Path) -> None:
    rows = [
        {"id": 7, "verifier": "math", "answer": 0.5, "text": "$\\frac12$", "note": {"é": [1]}},
        {"verifier": "choice", "answer": "B", "text": "C"},
        {"verifier": "choice", "answer": "Rome", "text": "C"},
        {"verifier": "exact", "answer": "\ud800", "text": "x \ud800", "verdict": "old"},
    ]
    source, output = tmp_path / "in.jsonl", tmp_path / "new" / "out.jsonl"
    source.write_text("\n\n".join(json.dumps(row) for row in rows) + "\n")
    assert verify_file(source, output) == {"right": 1, "wrong": 2, "error": 1}
    found = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["verdict"] for row in found] == ["right", "wrong", "error", "wrong"]
    assert [row["reason"] is None for row in found] == [True, False, False, False]
    for row, before in zip(found, rows, strict=True):
        assert {key: row[key] for key in before if key != "verdict"} == {
            key: before[key] for key in before if key != "verdict"
        }


def test_an_empty_file_gives_an_empty_file(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("")
    verify_file(source, output)
    assert output.read_text() == ""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"verifier": "exact", ', "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"verifier": "exact", "answer": "a"}', "text is missing"),
        ('{"verifier": "exact", "text": "a"}', "answer is missing"),
        ('{"answer": "a", "text": "a"}', "verifier is missing"),
        ('{"verifier": "exact", "answer": "a", "text": null}', "text must be text"),
        ('{"verifier": "guess", "answer": "a", "text": "a"}', "verifier 'guess' is not one of"),
        ('{"verifier": ["exact"], "answer": "a", "text": "a"}', "is not one of"),
        ("\udcff", "not UTF-8"),
        ('{"verifier": "exact", "answer": Infinity, "text": "a"}', "Infinity is no JSON value"),
        ('{"verifier": "exact", "answer": "a", "text": "a", "x": 1e999}', "1e999 is beyond"),
    ],
)
def test_a_broken_line_is_named_and_the_earlier_output_kept(
    tmp_path: Path, line: str, message: str
) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(f"{GOOD}\n{GOOD}\n{line}\n{GOOD}\n".encode(errors="surrogateescape"))
    output.write_text("earlier")
    with pytest.raises(InputError, match=message) as caught:
        verify_file(source, output)
    assert str(caught.value).startswith(f"{source}, line 3: ")
    assert output.read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.jsonl: cannot be read"):
        verify_file(tmp_path / "nowhere.jsonl", tmp_path / "out.jsonl")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("answer", datetime.date(2024, 5, 6)),
        ("note", b"bytes"),
        ("score", math.nan),
        ("scores", [1.0, math.inf]),
    ],
)
def test_a_column_that_json_cannot_hold_is_named(tmp_path: Path, column: str, value: Any) -> None:
    good = json.loads(GOOD)
    source = tmp_path / "in.parquet"
    pl.DataFrame([good | {column: value}]).write_parquet(source)
    with pytest.raises(InputError, match=rf"row 1: {column} holds .* no form in JSON") as caught:
        verify_file(source, tmp_path / "out.jsonl")
    assert str(caught.value).startswith(str(source))
    assert not (tmp_path / "out.jsonl").exists()
