"""A pod is killed, its disk is lost, and the next one goes on from what is in S3."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from safetensors.torch import load_file

from z1.engines import transformers as engine
from z1.errors import InputError
from z1.recipe import parse_recipe
from z1.records import EXAMPLE, PAIR, PROBLEM, write_part
from z1.stages import run_stage
from z1.tiny import MODEL
from z1.tiny.sums import solve
from z1.training import trainers
from z1.versioning.s3 import find

PARTS, BEFORE = 6, 3  # parts in all, and when the pod is killed
STEPS, SAVED = 7, 4  # steps of training, and the last checkpoint when the pod is killed

# Works as a pod would, hangs in the middle of the step, and waits there to be killed.
POD = """
import json, sys, time
from pathlib import Path
from z1.recipe import parse_recipe
from z1.stages import run_stage
job = json.load(open(sys.argv[1]))

def hang_after(count, function):
    def counted(*given, **named):
        nonlocal count
        count -= 1
        if count < 0:
            time.sleep(1000)
        return function(*given, **named)
    return counted

if job["stage"] == "generate":
    from z1.engines.transformers import TransformersEngine as Engine
    Engine.sample = hang_after(job["after"], Engine.sample)
else:
    from z1.training.trainers import _Progress
    _Progress.on_step_end = hang_after(job["after"], _Progress.on_step_end)
recipe = parse_recipe(job["recipe"], "recipe", Path.cwd())
inputs = {name: Path(path) for name, path in job["inputs"].items()}
run_stage(job["stage"], recipe, job["section"], inputs, Path(job["output"]), job["options"])
"""


@pytest.fixture
def recipe(demo, address):
    content = demo.model_dump(mode="json")
    content["checkpoints"] = address
    content["generate"].update(part_size=8, max_tokens=32)
    for training in content["train"].values():
        if training:
            training.update(batch_size=4, device_batch_size=4, epochs=1, save_steps=2)
    return parse_recipe(content, "recipe", Path.cwd())


@pytest.fixture
def folder(tmp_path):
    """Problems, examples and pairs of sums."""
    rng = random.Random(0)
    problems, examples, pairs = [], [], []
    for number in range(8 * PARTS):
        terms = [rng.randrange(10, 99) for _ in range(3)]
        name, prompt = f"p{number}", " + ".join(map(str, terms))
        problem = dict.fromkeys(PROBLEM, None)
        problems.append(problem | {"id": name, "prompt": prompt, "source": "test"})
        short, long = (solve(terms, effort, rng) for effort in ("low", "medium"))
        example = dict.fromkeys(EXAMPLE, None)
        examples.append(example | {"problem_id": name, "prompt": prompt, "text": long})
        pair = dict.fromkeys(PAIR, None)
        pair |= {"problem_id": name, "prompt": prompt, "chosen": short, "rejected": long}
        pairs.append(pair)
    write_part(problems, tmp_path / "problems" / "train.parquet", PROBLEM)
    write_part(examples[: 4 * STEPS], tmp_path / "examples" / "part-0.parquet", EXAMPLE)
    write_part(pairs[: 4 * STEPS], tmp_path / "pairs" / "part-0.parquet", PAIR)
    return tmp_path


def job_of(stage: str, folder: Path) -> tuple:
    section = {"generate": "generate", "sft": "train.tops", "dpo": "train.iter_dpo"}[stage]
    table = {"generate": "problems", "sft": "examples", "dpo": "pairs"}[stage]
    inputs = {table: folder / table, "model": MODEL}
    return section, inputs, {"split": "train", "efforts": "none"} if stage == "generate" else {}


def run(stage, recipe, folder, output):
    section, inputs, options = job_of(stage, folder)
    return run_stage(stage, recipe, section, inputs, output, options)


def kill_a_pod(stage, recipe, folder, address, after: int, is_time) -> str:
    """Run a stage in a process that is killed at a time, and return the stage's key."""
    section, inputs, options = job_of(stage, folder)
    pod = folder / "killed"
    job = {
        "stage": stage,
        "recipe": recipe.model_dump(mode="json"),
        "section": section,
        "inputs": {name: str(path) for name, path in inputs.items()},
        "options": options,
        "output": str(pod / stage),
        "after": after,
    }
    (folder / "job.json").write_text(json.dumps(job))
    with (folder / "log").open("w") as log:
        command = [sys.executable, "-c", POD, str(folder / "job.json")]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    marker = pod / f"{stage}.partial" / ".key"
    deadline = time.monotonic() + 300
    while not (marker.is_file() and (key := marker.read_text()) and is_time(f"{address}/{key}")):
        assert process.poll() is None, (folder / "log").read_text()[-3000:]
        assert time.monotonic() < deadline, (folder / "log").read_text()[-3000:]
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (pod / stage).exists()
    return key


def left(server, address) -> list:
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    client = server.client()
    found = client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])
    return found + client.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", [])


def test_replies_of_a_killed_pod_are_not_sampled_again(
    server, address, recipe, folder, monkeypatch
):
    def all_sent(place: str) -> bool:
        return find(f"{place}/part-{BEFORE - 1:05d}.parquet") is not None

    key = kill_a_pod("generate", recipe, folder, address, BEFORE, all_sent)
    sampled = []
    sample = engine.TransformersEngine.sample
    monkeypatch.setattr(
        engine.TransformersEngine,
        "sample",
        lambda self, requests, seed: sampled.append(1) or sample(self, requests, seed),
    )
    record = run("generate", recipe, folder, folder / "next" / "generate")
    assert record["key"] == key
    assert len(sampled) == PARTS - BEFORE
    assert left(server, address) == []

    plain = recipe.model_copy(update={"checkpoints": None})
    assert run("generate", plain, folder, folder / "plain")["key"] == key
    rows, expected = (
        pl.read_parquet(sorted(path.glob("*.parquet")))
        for path in (folder / "next" / "generate", folder / "plain")
    )
    assert rows.equals(expected)
    assert rows.select("problem_id", "effort", "sample").is_unique().all()
    assert sorted(record["files"]) == sorted(f"part-{n:05d}.parquet" for n in range(PARTS))


def weights(folder: Path) -> dict:
    return load_file(folder / "model.safetensors")


def is_same(folder: Path, other: Path) -> bool:
    ours, theirs = weights(folder), weights(other)
    return ours.keys() == theirs.keys() and all(ours[n].equal(theirs[n]) for n in ours)


def test_training_of_a_killed_pod_goes_on_from_its_newest_checkpoint(
    server, address, recipe, folder, capfd
):
    def only_newest(place: str) -> bool:
        older, newest = (f"{place}/checkpoints/checkpoint-{n}" for n in (SAVED - 2, SAVED))
        return find(newest) is not None and find(older) is None

    key = kill_a_pod("sft", recipe, folder, address, SAVED + 1, only_newest)
    capfd.readouterr()
    record = run("sft", recipe, folder, folder / "next" / "sft")
    assert f"going on from checkpoint-{SAVED}" in capfd.readouterr().out
    assert (record["key"], record["details"]["steps"]) == (key, STEPS)
    assert not [name for name in record["files"] if "checkpoint" in name or ".kept" in name]
    assert left(server, address) == []
    plain = recipe.model_copy(update={"checkpoints": None})
    assert "going on" not in capfd.readouterr().out
    run("sft", plain, folder, folder / "plain")
    assert is_same(folder / "next" / "sft", folder / "plain")


def test_preference_training_that_failed_goes_on_elsewhere(
    server, address, recipe, folder, capfd, monkeypatch
):
    def fail(self, args, state, control, **_):
        if state.global_step == SAVED + 1:
            raise MemoryError

    with monkeypatch.context() as context:
        context.setattr(trainers._Progress, "on_step_end", fail)
        with pytest.raises(MemoryError):
            run("dpo", recipe, folder, folder / "failed" / "dpo")
    capfd.readouterr()
    run("dpo", recipe, folder, folder / "next" / "dpo")
    assert f"going on from checkpoint-{SAVED}" in capfd.readouterr().out
    assert left(server, address) == []
    run("dpo", recipe.model_copy(update={"checkpoints": None}), folder, folder / "plain")
    assert is_same(folder / "next" / "dpo", folder / "plain")


def test_a_pod_that_cannot_write_to_s3_does_no_work(server, address, recipe, folder, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(InputError, match="refuses access"):
        run("sft", recipe, folder, folder / "sft")
    assert not (folder / "sft.partial").exists()


def test_a_step_that_keeps_nothing_needs_no_s3(server, recipe, folder, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    rows = [{"prompt": f"{n} + 1", "answer": str(n + 1), "verifier": "exact"} for n in range(40)]
    (folder / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    content = recipe.model_dump(mode="json")
    content["problems"]["sources"] = [{"kind": "file", "path": "mine.jsonl"}]
    recipe = parse_recipe(content, "recipe", folder)
    assert run_stage("problems", recipe, "problems", {}, folder / "out")["kept"] == 40
