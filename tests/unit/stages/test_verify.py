"""The verify stage: same parts, with verdicts."""

from pathlib import Path

import polars as pl
import pytest

from z1.errors import InputError
from z1.recipe import Recipe
from z1.records import TRAJECTORY, VERIFIED, write_part
from z1.stages import Metrics, Work
from z1.stages.verify import run


def write_replies(folder: Path, parts: list[list[tuple[str, str | None, str]]]) -> None:
    for number, part in enumerate(parts):
        rows = [
            {
                "problem_id": name,
                "effort": effort,
                "sample": 0,
                "text": text,
                "thinking_tokens": 3,
                "finish_reason": "length",
            }
            for name, effort, text in part
        ]
        write_part(rows, folder / f"part-{number:05}.parquet", TRAJECTORY)


def verify(demo: Recipe, replies: Path, problems: Path, output: Path) -> Metrics:
    inputs = {"replies": replies, "problems": problems}
    return run(Work(demo, demo.problems, inputs, {}, output, "verify"))


# The fixture's first seed problem is 12 + 20; its answer column says 32.
def test_each_part_gets_its_verdicts(demo: Recipe, sums_folder: Path, tmp_path: Path) -> None:
    parts: list[list[tuple[str, str | None, str]]] = [
        [("seed-0", "low", "32"), ("seed-0", "medium", "12+20=32\n32"), ("seed-1", "low", "32")],
        [("seed-0", "high", ""), ("train-0", None, "33")],
    ]
    write_replies(tmp_path / "replies", parts)
    metrics = verify(demo, tmp_path / "replies", sums_folder, tmp_path / "out")
    first = pl.read_parquet(tmp_path / "out" / "part-00000.parquet")
    second = pl.read_parquet(tmp_path / "out" / "part-00001.parquet")
    assert first.schema == VERIFIED
    assert first["verdict"].to_list() == ["right", "right", "wrong"]
    assert second["verdict"].to_list() == ["wrong", "right"]
    assert (metrics.kept, metrics.dropped) == (5, {})
    details = metrics.details
    assert (details["right"], details["wrong"], details["error"]) == (3, 2, 0)
    assert details["share_right"] == pytest.approx(0.6)
    assert details["by_effort"]["low"] == {"right": 1, "wrong": 1, "error": 0, "share_right": 0.5}
    assert set(details["by_effort"]) == {"low", "medium", "high", "none"}


def test_a_part_that_is_there_is_not_made_again(
    demo: Recipe, sums_folder: Path, tmp_path: Path
) -> None:
    write_replies(tmp_path / "replies", [[("seed-0", "low", "32")], [("seed-0", "low", "1")]])
    kept = pl.DataFrame(
        [["seed-0", "low", 0, "32", 3, None, "stop", "error", "from before"]],
        VERIFIED,
        orient="row",
    )
    write_part(kept, tmp_path / "out" / "part-00000.parquet", VERIFIED)
    metrics = verify(demo, tmp_path / "replies", sums_folder, tmp_path / "out")
    assert (metrics.details["error"], metrics.details["wrong"]) == (1, 1)
    assert metrics.details["error_reasons"] == ["seed-0: from before"]


def test_replies_to_other_problems_are_refused(
    demo: Recipe, sums_folder: Path, tmp_path: Path
) -> None:
    write_replies(tmp_path / "replies", [[("elsewhere", "low", "32")]])
    with pytest.raises(InputError, match="elsewhere"):
        verify(demo, tmp_path / "replies", sums_folder, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.parquet"))
