import json

import polars as pl
import pytest

from z1.errors import InputError
from z1.problems import gather
from z1.problems.check import check_problems
from z1.recipe import Problems, QuestionsSource

ROW = {"id": 7, "question": "Sort a list.", "response": "Use sorted.", "token_num_qwen": 4}


def read(path):
    source = QuestionsSource(kind="questions", path=str(path))
    return gather(Problems(sources=[source]))[0]


@pytest.mark.parametrize("ending", ["jsonl", "parquet", ""])
def test_rows_of_the_papers_data_are_training_problems_without_a_reference(tmp_path, ending):
    path = tmp_path / f"z1.{ending}"
    rows = [ROW, {**ROW, "id": 8, "question": "Reverse it."}]
    if not ending:  # a local copy of a dataset
        path.mkdir()
        pl.DataFrame(rows).write_parquet(path / "train.parquet")
    elif ending == "parquet":
        pl.DataFrame(rows).write_parquet(path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    problems = read(path)
    assert problems.select("id", "prompt", "answer", "verifier", "split").rows() == [
        ("7", "Sort a list.", None, None, "train"),
        ("8", "Reverse it.", None, None, "train"),
    ]
    assert check_problems(problems).is_empty()


def test_a_broken_line_and_an_empty_file_are_named(tmp_path):
    path = tmp_path / "z1.jsonl"
    path.write_text('{"id": 1}\n{\n')
    with pytest.raises(InputError, match=r"(?s)2 mistake.*line 1: 'question'.*line 2: not JSON"):
        read(path)
    path.write_text("\n")
    with pytest.raises(InputError, match="no question"):
        read(path)
