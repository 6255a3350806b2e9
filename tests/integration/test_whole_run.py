"""The whole TOPS pipeline as a user runs it: on a file of one's own, killed again and again."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

ROOT = Path(__file__).parents[2]
MODELS = {"base", "tag", "random", "tops", "iter-sft", "iter-dpo"}


def small(content: dict[str, Any]) -> dict[str, Any]:
    """Make a recipe small: few short replies, short training. Everything else stays."""
    sampling = {"max_tokens": 64, "batch_size": 128, "part_size": 64}
    content["generate"].update(sampling)
    content["iterate"].update(sampling)
    content["evaluate"]["sampling"] = {**content["evaluate"]["sampling"], **sampling}
    content["evaluate"].update(seeds=[1, 2], resamples=200, budgets=[6, 12])
    for training in content["train"].values():
        training.update(batch_size=8, device_batch_size=8, epochs=1, save_steps=2)
    content["train"]["tag"]["epochs"] = 3
    # Few pairs are found; they have to last until a kill comes.
    content["train"]["iter_dpo"].update(batch_size=1, device_batch_size=1)
    return content


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sums as math problems in a JSONL file, and a recipe on them."""
    folder = tmp_path_factory.mktemp("run")
    rng = random.Random(0)
    with (folder / "mine.jsonl").open("w") as file:
        for number in range(400):
            terms = [rng.randrange(10, 100) for _ in range(2 + number % 3)]
            row = {
                "prompt": " + ".join(map(str, terms)),
                "answer": str(sum(terms)),
                "verifier": "math",
                "difficulty": len(terms),
            }
            file.write(json.dumps(row) + "\n")
    content = small(yaml.safe_load((ROOT / "recipes" / "demo.yaml").read_text()))
    content["name"] = "mine"
    content["problems"]["sources"] = [{"kind": "file", "path": "mine.jsonl"}]
    (folder / "mine.yaml").write_text(yaml.safe_dump(content))
    return folder


def command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "z1.cli", "run", str(folder / "mine.yaml")]


def run(folder: Path) -> str:
    result = subprocess.run(command(folder), cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


def kill_when(folder: Path, ready: Callable[[], bool]) -> None:
    """Start a run and end it and its steps with SIGKILL as soon as ``ready``."""
    process = subprocess.Popen(
        command(folder),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not ready():
        assert process.poll() is None, (folder / "runs/mine/run.log").read_text()[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def finished(workplace: Path) -> Path:
    """A run that was killed in generate, in SFT and in DPO, and then ended."""
    out = workplace / "runs" / "mine"

    def parts() -> list[Path]:
        return sorted((out / "replies.partial").glob("part-*.parquet"))

    def is_kept(step: str) -> bool:
        """Tell whether a training has a checkpoint to go on from."""
        return any(out.glob(f"{step}.partial/checkpoints/*/whole"))

    kill_when(workplace, lambda: len(parts()) >= 2)
    there = {part.name: part.stat().st_mtime_ns for part in parts()}
    kill_when(workplace, lambda: is_kept("tops"))
    for name, changed in there.items():
        assert (out / "replies" / name).stat().st_mtime_ns == changed
    kill_when(workplace, lambda: is_kept("iter-dpo"))
    assert not (out / "report.json").exists()
    (workplace / "shown.txt").write_text(run(workplace))
    return out


@pytest.fixture(scope="module")
def report(finished: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((finished / "report.json").read_text())
    return content


def test_killed_steps_go_on_from_their_last_checkpoint(finished):
    log = (finished / "run.log").read_text()
    assert log.count("going on from checkpoint-") == 2
    assert not list(finished.glob("*.partial"))


@pytest.mark.parametrize("step", ["seed-replies", "replies", "iter-replies", "verdicts"])
def test_every_reply_is_there_exactly_once(finished, step):
    frame = pl.read_parquet(finished / step / "*.parquet")
    split = {"seed-replies": "seed", "iter-replies": "iteration"}.get(step, "train")
    problems = pl.read_parquet(finished / "problems" / f"{split}.parquet")["id"]
    efforts = [None] if split == "iteration" else ["low", "medium", "high"]
    samples = range(8 if split == "iteration" else 1)
    expected = {(p, e, s) for p in problems for e in efforts for s in samples}
    rows = frame.select("problem_id", "effort", "sample").rows()
    assert len(rows) == len(expected)
    assert set(rows) == expected


def test_every_evaluation_reply_is_there_exactly_once(finished):
    problems = pl.read_parquet(finished / "problems" / "evaluation.parquet").height
    folders = sorted((finished / "evaluate" / "replies").glob("*-s[0-9]*"))
    # Five models without an effort and the tag model with three; two seeds and a greedy pass.
    assert len(folders) == (5 + 3) * 3
    for folder in folders:
        frame = pl.read_parquet(sorted(folder.glob("part-*.parquet")))
        assert frame.height == problems
        assert frame["problem_id"].n_unique() == problems


def test_the_report_holds_every_budget_and_method(report, finished):
    problems = pl.read_parquet(finished / "problems" / "evaluation.parquet").height
    found = {(r["model"], r["method"], r["budget"]): r for r in report["budgets"]}
    curves = [
        ("tops", "window"), ("tops", "truncation"), ("tops-stop", "window"), ("tops-tags", "tags")
    ]  # fmt: skip
    assert set(found) == {(*curve, budget) for curve in curves for budget in (6, 12)}
    assert len(report["budgets"]) == 8
    for row in report["budgets"]:
        assert row["problems"] == problems
        assert 0 <= row["accuracy"] <= 1
        assert row["thinking_tokens"] <= row["budget"]
        assert set(row["by_difficulty"]) == {"2", "3", "4"}
    cut = json.loads((finished / "tops-stop" / "stage.json").read_text())["details"]["replies"]
    assert 0 < cut["cut"] < cut["cut"] + cut["whole"]


def test_the_report_holds_every_model_and_stage(report, finished):
    assert {model["name"] for model in report["models"]} == MODELS
    assert {m["effort"] for m in report["models"] if m["name"] == "tag"} == {
        "low",
        "medium",
        "high",
    }
    for model in report["models"]:
        assert isinstance(model["problems"], int)
        assert isinstance(model["seeds"], int)
        assert 0 <= model["accuracy"] <= 1
        assert {"accuracy_stderr", "thinking_tokens", "by_difficulty", "temperature"} <= set(model)
        assert set(model["by_difficulty"]) == {"2", "3", "4"}
    steps = {p.parent.name for p in finished.glob("*/stage.json")}
    after = {"incumbent", "publish", "gate", "deploy"}  # these found nothing to do
    assert {stage["name"] for stage in report["stages"]} == steps - after
    for stage in report["stages"]:
        assert isinstance(stage["kept"], int)
        assert isinstance(stage["dropped"], int)
    assert report["run"] == "mine"
    kept = (finished / "recipe.yaml").read_bytes()
    assert report["recipe_sha256"] == hashlib.sha256(kept).hexdigest()


def test_the_models_say_what_they_expect(finished):
    cards = {m: json.loads((finished / m / "z1.json").read_text()) for m in MODELS - {"base"}}
    assert {name for name, card in cards.items() if card["efforts"]} == {"tag"}


def test_no_evaluation_problem_is_trained_on(finished):
    held_out = set(pl.read_parquet(finished / "problems" / "evaluation.parquet")["prompt"])
    for step in ("seed", "shortest", "random-right", "chosen", "pairs"):
        trained = pl.read_parquet(finished / step / "*.parquet")["prompt"]
        assert len(trained) > 0
        assert held_out.isdisjoint(trained)


def test_the_table_is_shown(finished, workplace):
    shown = (workplace / "shown.txt").read_text()
    assert all(name in shown for name in MODELS)
    assert "±" in shown
    assert str(finished / "report.html") in shown


def test_an_unchanged_recipe_is_not_run_again(finished, workplace):
    before = {p: p.stat().st_mtime_ns for p in finished.glob("*/stage.json")}
    shown = run(workplace)
    assert {p: p.stat().st_mtime_ns for p in finished.glob("*/stage.json")} == before
    assert shown.count("skipped") == len(before)


def test_a_changed_recipe_runs_again_what_it_must(finished, workplace):
    recipe = workplace / "mine.yaml"
    original = recipe.read_text()
    content = yaml.safe_load(original)
    content["train"]["iter_dpo"]["beta"] = 0.2
    before = {p.parent.name: p.stat().st_mtime_ns for p in finished.glob("*/stage.json")}
    recipe.write_text(yaml.safe_dump(content))
    try:
        run(workplace)
    finally:
        recipe.write_text(original)
    after = {p.parent.name: p.stat().st_mtime_ns for p in finished.glob("*/stage.json")}
    changed = {step for step in after if after[step] != before[step]}
    assert changed == {"iter-dpo", "evaluate", "publish", "gate", "deploy"}


def test_bad_data_stops_with_code_2_and_leaves_the_report(finished, workplace):
    report = (finished / "report.json").read_bytes()
    problems = workplace / "mine.jsonl"
    original = problems.read_text()
    lines = original.splitlines()
    lines[6] = lines[6].replace('"answer": "', '"answer": "x')
    problems.write_text("\n".join([*lines[:9], "{broken", *lines[10:]]))
    try:
        result = subprocess.run(command(workplace), cwd=workplace, capture_output=True, text=True)
    finally:
        problems.write_text(original)
    assert result.returncode == 2
    assert "mine.jsonl" in result.stderr
    assert "line 10" in result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    assert (finished / "report.json").read_bytes() == report
