import json
from collections import Counter

import polars as pl
import pytest

from z1.errors import InputError
from z1.recipe import Filter
from z1.records import PROBLEM, TRAJECTORY, VERIFIED, scan, write_part
from z1.stages import Work, run_stage
from z1.stages.filter import run

LOOP = "Wait, let me add these up once more to be sure.\n" * 40


def reply(problem, text, finish="stop"):
    return {
        "problem_id": problem,
        "effort": None,
        "sample": 0,
        "text": text,
        "thinking_tokens": 1 + len(text),
        "finish_reason": finish,
    }


@pytest.fixture
def replies(tmp_path):
    """Replies of every kind, in two parts; the sum of problem train-i is 33 + i."""
    parts = [
        [
            reply("train-0", "13+20=33\n33"),
            reply("train-1", "13+21=34\n34", finish="length"),
            reply("train-2", LOOP + "35"),
        ],
        [
            reply("train-3", "13+23=37\n37"),
            reply("train-0", " \n"),
            reply("train-1", "<think>\n13+21=34\n</think>\n34"),
            reply("question", "nobody knows"),
        ],
    ]
    for number, rows in enumerate(parts):
        rows = [{**row, "sample": 10 * number + i} for i, row in enumerate(rows)]
        write_part(rows, tmp_path / "replies" / f"part-{number}.parquet", TRAJECTORY)
    return tmp_path / "replies"


@pytest.fixture
def problems(sums_folder):
    question = {
        "id": "question",
        "prompt": "Who?",
        "answer": None,
        "verifier": None,
        "difficulty": None,
        "source": "test",
    }
    write_part([question], sums_folder / "more.parquet", PROBLEM)
    return sums_folder


def drop(demo, replies, problems, output, verify):
    recipe = demo.model_copy(update={"filter": Filter(verify=verify)})
    inputs = {"replies": replies, "problems": problems}
    record = run_stage("filter", recipe, "filter", inputs, output)
    return record, scan(output, VERIFIED).collect()


def test_cut_empty_and_looping_replies_go_and_are_counted(demo, replies, problems, tmp_path):
    record, kept = drop(demo, replies, problems, tmp_path / "out", verify=False)
    assert [(row["problem_id"], row["text"]) for row in kept.to_dicts()] == [
        ("train-0", "13+20=33\n33"),
        ("train-3", "13+23=37\n37"),
        ("train-1", "13+21=34\n34"),  # without the tags of its thinking
        ("question", "nobody knows"),
    ]
    assert kept["verdict"].null_count() == 4
    assert record["reasons"] == {"cut at the token limit": 1, "repeats itself": 1, "empty": 1}
    assert (record["kept"], record["dropped"], record["unit"]) == (4, 3, "replies")
    assert record["details"]["tokens"] == kept["thinking_tokens"].sum()


def test_verification_also_drops_what_is_not_right(demo, replies, problems, tmp_path):
    record, kept = drop(demo, replies, problems, tmp_path / "out", verify=True)
    assert set(kept["problem_id"]) == {"train-0", "train-1"}
    assert set(kept["verdict"]) == {"right"}
    assert record["reasons"] == {
        "cut at the token limit": 1,
        "repeats itself": 1,
        "empty": 1,
        "not right": 1,
        "could not be verified": 1,
    }


def test_parts_of_an_earlier_attempt_are_kept(demo, replies, problems, tmp_path):
    inputs = {"replies": replies, "problems": problems}
    work = Work(demo, Filter(), inputs, {}, tmp_path / "out", "kept")
    first = run(work)
    before = (tmp_path / "out" / "part-0.parquet").stat().st_mtime_ns
    (tmp_path / "out" / "part-1.parquet").unlink()
    again = run(work)
    assert (tmp_path / "out" / "part-0.parquet").stat().st_mtime_ns == before
    assert again == first
    assert Counter(again.dropped).total() == 3


def test_nothing_left_is_an_error_with_the_reasons(demo, problems, tmp_path):
    write_part([reply("train-0", LOOP)], tmp_path / "r" / "p.parquet", TRAJECTORY)
    with pytest.raises(InputError, match=r"none of 1 replies is left .*1 repeats itself"):
        drop(demo, tmp_path / "r", problems, tmp_path / "out", verify=False)


def test_what_is_left_can_be_selected_by_tokens(demo, replies, problems, tmp_path):
    drop(demo, replies, problems, tmp_path / "kept", verify=False)
    section = demo.select.model_copy(update={"tokens": 30, "order": "longest"})
    recipe = demo.model_copy(update={"select": section})
    inputs = {"replies": tmp_path / "kept", "problems": problems}
    record = run_stage("select", recipe, "select", inputs, tmp_path / "out", {"rule": "tokens"})
    chosen = pl.read_parquet(tmp_path / "out" / "*.parquet")
    assert chosen["thinking_tokens"].sum() <= 30
    assert chosen["effort"].null_count() == len(chosen)
    assert record["reasons"] == {"beyond select.tokens": 4 - len(chosen)}
    assert json.dumps(record["details"])
