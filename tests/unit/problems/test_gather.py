"""All sources together."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from z1.problems import gather
from z1.recipe import FileSource, Problems, Splits

EVERYTHING = Splits(evaluation=0.25, seed=0.25, train=0.25, iteration=0.25)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(
        "\n".join(json.dumps({"answer": "1", "verifier": "exact", **row}) for row in rows)
    )
    return path


def source(path: Path, **more: Any) -> FileSource:
    return FileSource(kind="file", path=path, **more)


def test_sources_are_joined_without_copies(tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", [{"prompt": f"a{i}", "id": i} for i in range(40)])
    copies = [{"prompt": f" A{i}", "id": f"copy-{i}", "answer": "2"} for i in range(10)]
    two = write(tmp_path / "two.jsonl", [*copies, {"prompt": "b", "id": 3}, {"prompt": "c"}])
    sources = [source(one), source(two, split="evaluation", difficulty="hard")]
    rows, dropped = gather(Problems(sources=sources, splits=EVERYTHING))
    assert dropped == {"same prompt as another problem": 10}
    assert rows["id"].is_unique().all()
    found = {row["prompt"]: row for row in rows.to_dicts()}
    assert len(rows) == 42
    # The copies were put into evaluation whole, so they are there, with their own answers,
    # unless the first copy is there already.
    for i in range(10):
        row = found.get(f" A{i}") or found[f"a{i}"]
        assert row["split"] == "evaluation"
        assert row["answer"] == ('"2"' if row["prompt"].startswith(" ") else '"1"')
    assert found["a3" if "a3" in found else " A3"]["id"] in ("3", "copy-3")
    assert found["b"]["difficulty"] == "hard"
    assert found["a20"]["difficulty"] is None
    assert found["c"]["id"].startswith("two-")
    assert found["b"]["id"].startswith("3")


def test_ids_stay_when_problems_are_added(tmp_path: Path) -> None:
    few = write(tmp_path / "one.jsonl", [{"prompt": f"a{i}"} for i in range(5)])
    before = gather(Problems(sources=[source(few)], splits=EVERYTHING))[0]
    write(few, [{"prompt": f"a{i}"} for i in reversed(range(9))])
    after = gather(Problems(sources=[source(few)], splits=EVERYTHING))[0]
    kept = after.join(before.select("prompt"), on="prompt").sort("prompt")
    assert kept.select("id", "split").equals(before.sort("prompt").select("id", "split"))


def test_one_id_in_two_sources_is_told_apart(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{name}.jsonl", [{"prompt": name, "id": 1}]) for name in "ab"]
    rows, _ = gather(Problems(sources=[source(path) for path in paths], splits=EVERYTHING))
    first, second = rows["id"]
    assert first == "1"
    assert second.startswith("1-")


def test_count_takes_distinct_problems_from_everywhere(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"prompt": f"{i // 2}"} for i in range(2000)])
    rows, dropped = gather(Problems(sources=[source(path, count=100)], splits=EVERYTHING))
    assert len(rows) == 100
    assert dropped == {"beyond the source's count": 1800, "same prompt as another problem": 100}
    numbers = rows["prompt"].cast(pl.Int64)
    assert numbers.is_sorted()
    assert 400 < numbers.mean() < 600  # type: ignore[operator]
    again, _ = gather(Problems(sources=[source(path, count=200)], splits=EVERYTHING))
    assert set(rows["prompt"]) < set(again["prompt"])


def test_problems_outside_all_splits_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"prompt": f"{i}"} for i in range(400)])
    half = Splits(evaluation=0.1, seed=0.1, train=0.2, iteration=0.1)
    rows, dropped = gather(Problems(sources=[source(path)], splits=half))
    assert len(rows) + dropped["outside all splits"] == 400
    assert 140 < len(rows) < 260
    pinned, dropped = gather(Problems(sources=[source(path, split="seed")], splits=half))
    assert set(pinned["split"]) == {"seed"}
    assert not dropped
