"""Replies sampled in shards, side by side, and put together."""

import contextlib
import random
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from z1 import progress, stages
from z1.errors import InputError
from z1.recipe import Publish, Recipe
from z1.records import PROBLEM, TRAJECTORY, scan, write_part
from z1.stages import Work, read_record, run_stage
from z1.stages.publish import collect
from z1.tiny import MODEL

COUNT = 24


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    rows = [
        {
            "id": f"sum-{number}",
            "prompt": f"{number} + 11",
            "answer": str(number + 11),
            "verifier": "math",
            "difficulty": None,
            "source": "made up",
        }
        for number in range(10, 10 + COUNT)
    ]
    write_part(rows, tmp_path / "problems" / "train.parquet", PROBLEM)
    return tmp_path / "problems"


def generate(recipe: Recipe, problems: Path, output: Path, shard: str = "", **more: Path) -> Any:
    options = {"split": "train", "efforts": "all"} | ({"shard": shard} if shard else {})
    section = "generate" if more else "teacher"
    inputs = {"problems": problems, **more}
    return run_stage("generate", recipe, section, inputs, output, options)


def read(folder: Path) -> pl.DataFrame:
    return scan(folder, TRAJECTORY).collect()


def put_together(recipe: Recipe, output: Path, *shards: Path) -> Any:
    inputs = {f"shard-{number}": shard for number, shard in enumerate(shards, 1)}
    return run_stage("merge", recipe, "verify", inputs, output)


def test_shards_put_together_hold_each_reply_once(demo, problems, tmp_path):
    whole = generate(demo, problems, tmp_path / "whole")
    for number in (3, 1, 2):  # whichever is done first
        generate(demo, problems, tmp_path / f"{number}", f"{number}/3")
    shards = [tmp_path / f"{number}" for number in (1, 2, 3)]
    assert all(0 < read(shard).height < whole["kept"] for shard in shards)
    merged = put_together(demo, tmp_path / "merged", *shards)
    assert merged["kept"] == whole["kept"] == 3 * COUNT
    keys = ["problem_id", "effort"]
    same = read(tmp_path / "merged").select(keys).sort(keys)
    assert same.equals(read(tmp_path / "whole").select(keys).sort(keys))
    assert {row["effort"] for row in merged["details"]["efforts"]} == {"low", "medium", "high"}
    parts = sorted(path.name for path in (tmp_path / "merged").glob("*.parquet"))
    assert parts == [f"part-{number:05d}.parquet" for number in range(3)]


class LostError(BaseException):
    """Ends a shard's machine in the middle of its work."""


@pytest.mark.parametrize("chance", [0, 1])
def test_shards_that_get_lost_and_are_tried_again_in_any_order_make_the_same_rows(
    demo, problems, tmp_path, monkeypatch, chance
):
    sampling = demo.generate.model_copy(update={"max_tokens": 16, "batch_size": 8, "part_size": 8})
    recipe = demo.model_copy(update={"generate": sampling})
    monkeypatch.setattr(stages, "code_digest", lambda module: "the same")  # it takes its time
    names = ["1", "2", "3"]
    calm = [tmp_path / "calm" / name for name in names]
    for name, output in zip(names, calm, strict=True):
        generate(recipe, problems, output, f"{name}/3", model=MODEL)
    put_together(recipe, tmp_path / "calm" / "merged", *calm)
    expected = read(tmp_path / "calm" / "merged")
    assert expected["text"].n_unique() > COUNT

    rng = random.Random(chance)
    for name in rng.sample(names * 3, 9):
        output = tmp_path / "lost" / name
        parts_left = rng.randrange(5)

        def lose(*_: Any) -> None:
            nonlocal parts_left
            parts_left -= 1
            if parts_left < 0:
                raise LostError

        if rng.random() < 0.2:  # with its disk, done or not
            for folder in (output, output.with_name(f"{name}.partial")):
                shutil.rmtree(folder, ignore_errors=True)
        with monkeypatch.context() as patch, contextlib.suppress(LostError):
            patch.setattr(progress, "report", lose)
            generate(recipe, problems, output, f"{name}/3", model=MODEL)
    shards = {f"shard-{name}": tmp_path / "lost" / name for name in rng.sample(names, 3)}
    for output in shards.values():
        generate(recipe, problems, output, f"{output.name}/3", model=MODEL)
    for merged in ("merged", "again"):  # in whatever order the shards are named
        run_stage("merge", recipe, "verify", shards, tmp_path / merged)
        assert read(tmp_path / merged).equals(expected)
        shards = dict(reversed(shards.items()))


def test_a_problems_shard_does_not_depend_on_other_problems(demo, problems, tmp_path):
    generate(demo, problems, tmp_path / "before", "1/2")
    rows = pl.read_parquet(problems / "train.parquet")
    write_part(rows[5:], problems / "train.parquet", PROBLEM)
    generate(demo, problems, tmp_path / "after", "1/2")
    before, after = (set(read(tmp_path / name)["problem_id"]) for name in ("before", "after"))
    assert after == before - set(rows["id"][:5])


def test_shards_sample_with_seeds_of_their_own(demo, problems, tmp_path):
    """The same problem in the first place of two shards must not get the same reply twice."""
    row = pl.read_parquet(problems / "train.parquet")[:1]
    sampling = demo.generate.model_copy(update={"max_tokens": 24})
    recipe = demo.model_copy(update={"generate": sampling})
    texts = []
    for shard in ("1/2", "2/2"):
        names = (f"{letter}" for letter in "abcdefgh")
        for name in names:  # one of these is in the shard
            write_part(row.with_columns(id=pl.lit(name)), problems / "train.parquet", PROBLEM)
            output = tmp_path / shard.replace("/", "-") / name
            if generate(recipe, problems, output, shard, model=MODEL)["kept"]:
                texts.append(read(output)["text"].to_list())
                break
    assert len(texts) == 2
    assert texts[0] != texts[1]


def test_a_shard_without_problems_is_empty_and_no_error(demo, problems, tmp_path):
    write_part(pl.read_parquet(problems / "train.parquet")[:1], problems / "train.parquet", PROBLEM)
    kept = [generate(demo, problems, tmp_path / f"{n}", f"{n}/2")["kept"] for n in (1, 2)]
    assert sorted(kept) == [0, 3]
    assert put_together(demo, tmp_path / "merged", tmp_path / "1", tmp_path / "2")["kept"] == 3


def test_replies_that_are_there_already_are_all_in_the_first_shard(demo, problems, tmp_path):
    file = tmp_path / "replies.jsonl"
    prompts = pl.read_parquet(problems / "train.parquet")["prompt"]
    lines = [f'{{"prompt": "{p}", "text": "1", "effort": "low"}}\n' for p in prompts]
    file.write_text("".join([*lines, '{"prompt": "nobody asked", "text": "1"}\n']))
    teacher = demo.teacher.model_copy(update={"engine": "file", "replies": file})
    recipe = demo.model_copy(update={"teacher": teacher})
    first = generate(recipe, problems, tmp_path / "1", "1/2")
    assert (first["kept"], first["dropped"]) == (COUNT, 1)
    assert generate(recipe, problems, tmp_path / "2", "2/2")["kept"] == 0


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "1/0", "one/2"])
def test_a_shard_that_is_none_is_refused(demo, problems, tmp_path, shard):
    with pytest.raises(InputError, match="write 2/4 for the second of four"):
        generate(demo, problems, tmp_path / "out", shard)


def test_more_than_nine_shards_keep_their_order(demo, problems, tmp_path):
    for number in range(1, 11):
        generate(demo, problems, tmp_path / f"{number}", f"{number}/10")
    put_together(demo, tmp_path / "merged", *(tmp_path / f"{n}" for n in range(1, 11)))
    shards = [read(tmp_path / f"{number}") for number in range(1, 11)]
    assert read(tmp_path / "merged").equals(pl.concat(shards))


def test_merge_takes_shards_alone(demo, problems, tmp_path):
    generate(demo, problems, tmp_path / "1", "1/1")
    with pytest.raises(InputError, match="input 'replies': merge takes shard-1"):
        run_stage("merge", demo, "verify", {"replies": tmp_path / "1"}, tmp_path / "out")


def test_a_published_model_comes_from_the_replies_and_not_from_their_shards(
    demo, problems, tmp_path
):
    for number in (1, 2):
        generate(demo, problems, tmp_path / f"{number}", f"{number}/2")
    merged = tmp_path / "tops"  # stands for a model, which has the name of its step
    put_together(demo, merged, tmp_path / "1", tmp_path / "2")
    record = read_record(merged)
    assert [parent["stage"] for parent in record["parents"]] == ["generate", "generate"]
    section = Publish(registry="https://git.example.com/models.git", model="tops")
    inputs = {"problems": problems, "tops": merged}
    family = collect(Work(demo, section, inputs, {}, tmp_path / "out", "publish"))
    assert [each.step for each in family] == ["problems", "tops"]
    assert family[1].parents == ("demo/problems",)
    assert family[1].origins == {"teacher": f"scripted, slip {demo.teacher.slip:g}"}
