"""The problems stage: four files, or one clear error."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from z1.errors import InputError
from z1.recipe import (
    FileSource,
    HuggingFaceSource,
    Problems,
    ProceduralSource,
    QuestionsSource,
    Recipe,
    Splits,
)
from z1.records import PROBLEM, SPLITS, normalise_prompt, scan
from z1.stages import run_stage

EVEN = Splits(evaluation=0.25, seed=0.25, train=0.25, iteration=0.25)


def make(demo: Recipe, output: Path, *sources: Any, splits: Splits = EVEN) -> dict[str, Any]:
    recipe = demo.model_copy(update={"problems": Problems(sources=list(sources), splits=splits)})
    return run_stage("problems", recipe, "problems", {}, output)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def user_file(path: Path, count: int = 60, **changes: Any) -> FileSource:
    rows: list[dict[str, Any]] = [
        {"prompt": f"What is {i} + 1?", "answer": i + 1, "verifier": "exact", "difficulty": i % 2}
        for i in range(count)
    ]
    return FileSource(kind="file", path=write(path, rows), **changes)


def test_all_kinds_of_sources_end_in_four_disjoint_files(demo: Recipe, tmp_path: Path) -> None:
    (tmp_path / "gsm").mkdir()
    write(
        tmp_path / "gsm" / "train.jsonl",
        [{"question": f"Twice {i}?", "answer": f"#### {2 * i}"} for i in range(1, 31)],
    )
    record = make(
        demo,
        tmp_path / "out",
        user_file(tmp_path / "mine.jsonl"),
        HuggingFaceSource(kind="huggingface", path=str(tmp_path / "gsm"), columns="gsm8k"),
        ProceduralSource(
            kind="procedural",
            dataset="chain_sum",
            prompt="{expression}",
            count=30,
            difficulty="sums",
        ),
    )
    splits = {s: scan(tmp_path / "out" / f"{s}.parquet", PROBLEM).collect() for s in SPLITS}
    prompts = [normalise_prompt(p) for frame in splits.values() for p in frame["prompt"]]
    assert len(prompts) == len(set(prompts)) == record["kept"] == 120
    assert record["details"]["splits"] == {split: len(frame) for split, frame in splits.items()}
    assert all(record["details"]["splits"].values())
    assert record["details"]["sources"] == {
        "mine.jsonl": 60,
        str(tmp_path / "gsm"): 30,
        "chain_sum": 30,
    }
    totals = pl.concat(splits.values()).group_by("difficulty").len()
    assert dict(totals.iter_rows()) == {"0": 30, "1": 30, None: 30, "sums": 30}
    counted = record["details"]["difficulty"]["train"]
    assert sum(counted.values()) == record["details"]["splits"]["train"]


def test_a_users_answer_that_fails_is_an_error_naming_the_line(
    demo: Recipe, tmp_path: Path
) -> None:
    source = user_file(tmp_path / "mine.jsonl")
    make(demo, tmp_path / "out", source)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    lines = source.path.read_text().splitlines()
    lines[6] = json.dumps({"prompt": "Which?", "answer": "neither of them", "verifier": "choice"})
    source.path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"mine\.jsonl, line 7: verifier 'choice' refuses"):
        make(demo, tmp_path / "out", source)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_datasets_answer_that_fails_is_left_out(demo: Recipe, tmp_path: Path) -> None:
    rows = [{"problem": f"p{i}", "answer": str(i)} for i in range(40)]
    rows[3]["answer"] = "$$"  # no answer at all
    write(tmp_path / "train.jsonl", rows)
    source = HuggingFaceSource(kind="huggingface", path=str(tmp_path), columns="math")
    record = make(demo, tmp_path / "out", source)
    assert record["kept"] == 39
    assert record["reasons"] == {"reference answer refused by its own verifier": 1}
    assert "p3" not in scan(tmp_path / "out", PROBLEM).collect()["prompt"]
    assert record["details"]["refused"][0]["where"] == f"{tmp_path}, row 4"


@pytest.mark.parametrize("split", SPLITS)
def test_an_empty_split_is_an_error_naming_its_key(
    demo: Recipe, tmp_path: Path, split: str
) -> None:
    shares = {name: 0.0 if name == split else 0.3 for name in SPLITS}
    source = user_file(tmp_path / "mine.jsonl")
    with pytest.raises(InputError, match=rf"problems\.splits\.{split}: none of the \d+ problems"):
        make(demo, tmp_path / "out", source, splits=Splits(**shares))
    filler = write(
        tmp_path / "more.jsonl", [{"prompt": "Say 1.", "answer": "1", "verifier": "exact"}]
    )
    pinned = FileSource.model_validate({"kind": "file", "path": filler, "split": split})
    record = make(demo, tmp_path / "out", source, pinned, splits=Splits(**shares))
    assert record["details"]["splits"][split] == 1


def test_questions_that_the_evaluation_asks_are_kept_out_of_the_training(
    demo: Recipe, tmp_path: Path
) -> None:
    rows = [{"question": f"What is {i} + 1?"} for i in range(58, 63)]
    questions = QuestionsSource(kind="questions", path=str(write(tmp_path / "q.jsonl", rows)))
    tests = user_file(tmp_path / "mine.jsonl", split="evaluation")
    recipe = demo.model_copy(update={"method": "z1"})
    record = make(recipe, tmp_path / "out", questions, tests)
    train = scan(tmp_path / "out" / "train.parquet", PROBLEM).collect()
    assert train["prompt"].to_list() == ["What is 60 + 1?", "What is 61 + 1?", "What is 62 + 1?"]
    assert train["verifier"].null_count() == train["answer"].null_count() == 3
    assert record["details"]["splits"] == {"evaluation": 60, "seed": 0, "train": 3, "iteration": 0}


def test_a_source_may_be_tested_on_alone_by_the_splits_of_all(demo: Recipe, tmp_path: Path) -> None:
    mine = user_file(tmp_path / "mine.jsonl")
    make(demo, tmp_path / "divided", mine)
    record = make(
        demo,
        tmp_path / "out",
        user_file(tmp_path / "mine.jsonl", only="evaluation"),
        user_file(tmp_path / "others.jsonl", count=300),
    )
    divided, whole = (
        scan(tmp_path / name / "evaluation.parquet", PROBLEM).collect()
        for name in ("divided", "out")
    )
    mine_alone = whole.filter(source="mine.jsonl")["prompt"]
    assert mine_alone.to_list() == divided["prompt"].to_list()
    assert 0 < len(divided) < 60
    assert record["reasons"]["not in the evaluation split"] == 60 - len(divided)
