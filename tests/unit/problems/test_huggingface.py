"""Datasets in the columns of those on the hub, from local folders of the same form."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from z1.errors import InputError
from z1.problems.huggingface import last_box, read_huggingface
from z1.recipe import HuggingFaceSource

KEY = "problems.sources.2"


def read(
    folder: Path, columns: str, rows: list[dict[str, Any]], **more: Any
) -> tuple[list[tuple[str, Any, str | None]], dict[str, int]]:
    folder.mkdir(exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "train.jsonl").write_text(text)
    source = HuggingFaceSource(kind="huggingface", path=str(folder), columns=columns, **more)
    found, dropped = read_huggingface(source, KEY)
    assert set(found["verifier"]) == {"math"}
    assert set(found["source"]) == {str(folder)}
    return [
        (prompt, json.loads(answer), difficulty)
        for prompt, answer, difficulty in found.select("prompt", "answer", "difficulty").iter_rows()
    ], dict(dropped)


def test_numina_takes_the_last_box(tmp_path: Path) -> None:
    rows = [
        {
            "source": "olympiads",
            "problem": " Find x. ",
            "solution": r"Not \boxed{1} but \boxed{\frac{1}{2}}.",
        },
        {"source": "synthetic_math", "problem": "Prove it.", "solution": "Clear."},
        {"source": "cn_k12", "problem": "", "solution": r"\boxed{3}"},
        {"source": "cn_k12", "problem": "Empty?", "solution": r"\boxed{}"},
    ]
    assert read(tmp_path / "d", "numina", rows) == (
        [("Find x.", r"\frac{1}{2}", "olympiads")],
        {"without an answer": 2, "without a prompt": 1},
    )


def test_numina_15_takes_the_answer_column(tmp_path: Path) -> None:
    row = {
        "problem": "Find x.",
        "solution": r"so \boxed{9}",
        "answer": "42",
        "source": "amc_aime",
        "problem_is_valid": "Yes",
        "solution_is_valid": "Yes",
    }
    rows = [
        row,
        {**row, "answer": "proof"},
        {**row, "answer": "notfound"},
        {**row, "problem_is_valid": "Incomplete"},
        {**row, "solution_is_valid": "No"},
    ]
    assert read(tmp_path / "d", "numina", rows) == (
        [("Find x.", "42", "amc_aime")],
        {"without an answer": 2, "marked as faulty by the dataset's authors": 2},
    )


def test_gsm8k_takes_what_follows_the_mark(tmp_path: Path) -> None:
    rows = [
        {"question": "How many?", "answer": "3 * 4 = <<3*4=12>>12\n#### 12"},
        {"question": "How much?", "answer": "much\n#### -1,234,567"},
        {"question": "Why?", "answer": "because"},
    ]
    assert read(tmp_path / "d", "gsm8k", rows) == (
        [("How many?", "12", None), ("How much?", "-1234567", None)],
        {"without an answer": 1},
    )


@pytest.mark.parametrize(
    ("level", "label"), [("Level 5", "Level 5"), (2, "Level 2"), ("Level ?", None)]
)
def test_math_in_both_its_forms(tmp_path: Path, level: str | int, label: str | None) -> None:
    whole = {"problem": "p", "solution": r"\boxed{x}", "level": level, "type": "Algebra"}
    assert read(tmp_path / "a", "math", [whole])[0] == [("p", "x", label)]
    subset = {**whole, "answer": r"\left( 3, \frac{\pi}{2} \right)"}
    assert read(tmp_path / "b", "math", [subset])[0] == [("p", subset["answer"], label)]


@pytest.mark.parametrize(
    "row",
    [
        {"ID": "2024-II-4", "Problem": "p", "Solution": "s", "Answer": 33},
        {"id": 61, "problem": "p", "solution": "s", "answer": "033", "year": "2024"},
        {"ID": "2024-4", "Year": 2024, "Question": "p", "Answer": "33", "Part": "II"},
        {"question": "p", "answer": "33", "url": "https://x.org/2024_AIME_II_Problems/4"},
    ],
)
def test_aime_in_its_spellings(tmp_path: Path, row: dict[str, Any]) -> None:
    assert read(tmp_path / "d", "aime", [row])[0] == [("p", "33", None)]
    earlier = {key: text_before(value) for key, value in row.items()}
    rows = [row, {**earlier, next(k for k in row if k.lower() in ("problem", "question")): "q"}]
    assert read(tmp_path / "e", "aime", rows, until_year=2023) == (
        [("q", "33", None)],
        {"later than 2023": 1},
    )


def text_before(value: Any) -> Any:
    return type(value)(str(value).replace("2024", "2023"))


def test_until_year_needs_years(tmp_path: Path) -> None:
    row = {"problem": "p", "answer": 7, "id": 61}
    with pytest.raises(InputError, match=f"{KEY}.until_year: a problem names no year"):
        read(tmp_path / "d", "aime", [row], until_year=2023)
    row = {"question": "p", "answer": "#### 7"}
    with pytest.raises(InputError, match=f"{KEY}.until_year: only a source with columns 'aime'"):
        read(tmp_path / "d", "gsm8k", [row], until_year=2023)


def test_parquet_folders_and_named_splits(tmp_path: Path) -> None:
    frame = pl.DataFrame({"question": ["a", "b"], "answer": ["#### 1", "#### 2"]})
    frame.head(1).write_parquet(tmp_path / "train.parquet")
    frame.tail(1).write_parquet(tmp_path / "test.parquet")
    source = HuggingFaceSource(
        kind="huggingface", path=str(tmp_path), columns="gsm8k", hub_split="test"
    )
    assert read_huggingface(source, KEY)[0]["prompt"].to_list() == ["b"]


def test_a_dataset_that_is_not_there_is_an_error_with_advice(tmp_path: Path) -> None:
    for path in (str(tmp_path / "none"), "nobody/no-such-dataset"):
        source = HuggingFaceSource(kind="huggingface", path=path, columns="math")
        with pytest.raises(InputError, match=rf"{KEY}: cannot load dataset {path}") as caught:
            read_huggingface(source, KEY)
        assert f"FOLDER/train.parquet, and name the folder in {KEY}.path" in str(caught.value)


def test_wrong_columns_and_no_answers_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"{KEY}.columns: .* no column 'question', .*'gsm8k'"):
        read(tmp_path / "a", "gsm8k", [{"problem": "p", "solution": "s"}])
    with pytest.raises(InputError, match=rf"{KEY}: no row .* \(1 without an answer\)"):
        read(tmp_path / "b", "gsm8k", [{"question": "p", "answer": "s"}])


@pytest.mark.parametrize(
    ("text", "box"),
    [
        (r"\boxed{a}", "a"),
        (r"\fbox{n} \boxed {a{b}c} d}", "a{b}c"),
        (r"\boxed{a} and \boxed{b", "a"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        ("none", None),
    ],
)
def test_last_box(text: str, box: str | None) -> None:
    assert last_box(text) == box
