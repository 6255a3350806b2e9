"""Generate, verify and select again and again, each stage a process that SIGKILL may end any time.

``Z1_ENDURANCE_PROBLEMS`` and ``Z1_ENDURANCE_KILLS`` say how many problems a round has, each asked
at three efforts, and how many kills there are in all. By the second an hour is filled.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
import yaml

from z1.efforts import write_card
from z1.models import load_tokenizer
from z1.recipe import Recipe
from z1.stages import run_stage
from z1.tiny import write_tiny

PROBLEMS = int(os.environ.get("Z1_ENDURANCE_PROBLEMS", "120"))
KILLS = int(os.environ.get("Z1_ENDURANCE_KILLS", "5"))
KILLS_A_ROUND = 5  # then the round ends undisturbed, however long a stage takes
PART = 48  # replies, so that there are finished parts to go on from


class Stage(NamedTuple):
    """A stage of the round, as its command needs it."""

    name: str
    section: str
    inputs: tuple[str, ...]
    options: tuple[str, ...] = ()
    output: str = ""


STAGES = (
    Stage("generate", "generate", ("problems", "model"), ("split=train", "efforts=all"), "replies"),
    Stage("verify", "verify", ("replies", "problems"), (), "verdicts"),
    Stage("select", "select", ("replies", "problems"), ("rule=shortest",), "examples"),
)


@pytest.fixture(scope="module")
def workplace(demo: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe, its problems, and a model that knows the three efforts."""
    folder = tmp_path_factory.mktemp("endurance")
    write_tiny(folder / "model")
    load_tokenizer("tiny", demo.efforts).save_pretrained(folder / "model")
    write_card(folder / "model", efforts=True)
    content = demo.model_dump(mode="json", exclude_none=True)
    content["problems"]["splits"] = {
        "evaluation": 0.1,
        "seed": 0.1,
        "train": 0.7,
        "iteration": 0.1,
    }
    for source in content["problems"]["sources"]:
        source["count"] = round(PROBLEMS / 0.7 / len(content["problems"]["sources"]))
    content["generate"] |= {"batch_size": PART, "part_size": PART}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(content))
    run_stage("problems", Recipe.model_validate(content), "problems", {}, folder / "problems")
    return folder


def start(stage: Stage, workplace: Path, into: Path) -> subprocess.Popen[bytes]:
    """Start a stage as a process group of its own."""
    places = {name: workplace / name for name in ("problems", "model")}
    # A stage calls what it takes by its own name: to select, the verdicts are the replies.
    places["replies"] = into / ("verdicts" if stage.name == "select" else "replies")
    command = [sys.executable, "-m", "z1.cli", "stage", stage.name]
    command += ["--recipe", workplace / "recipe.yaml", "--section", stage.section]
    for name in stage.inputs:
        command += ["--input", f"{name}={places[name]}"]
    for option in stage.options:
        command += ["--option", option]
    with (into / "log").open("ab") as log:
        return subprocess.Popen(
            [*map(str, command), "--output", str(into / stage.output)],
            stdout=log,
            stderr=log,
            start_new_session=True,
            # Sums of floats depend on how many threads share them, and replies on the sums.
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )


def finish(process: subprocess.Popen[bytes], into: Path) -> None:
    assert process.wait() == 0, (into / "log").read_text()[-3000:]


def end_after(process: subprocess.Popen[bytes], seconds: float, into: Path) -> bool:
    """Kill a stage's processes at a time; return False if it had come to its end before."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait() != 0
    finish(process, into)
    return False


def parts(folder: Path) -> dict[str, int]:
    """Return when each finished part of a stage's output was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*.parquet")}


@pytest.mark.timeout(600 + 60 * KILLS)
def test_stages_that_are_killed_at_any_time_end_with_the_rows_of_an_undisturbed_run(workplace):
    calm = workplace / "calm"
    calm.mkdir()
    seconds: dict[str, float] = {}
    for stage in STAGES:
        begun = time.monotonic()
        finish(start(stage, workplace, calm), calm)
        seconds[stage.name] = time.monotonic() - begun
    expected = {stage.name: pl.read_parquet(calm / stage.output) for stage in STAGES}
    assert expected["generate"].height == expected["verify"].height > 2 * PROBLEMS
    assert expected["select"].height > 0

    rng = random.Random(0)
    killed: dict[str, int] = dict.fromkeys(seconds, 0)
    going_on = rounds = 0
    while sum(killed.values()) < KILLS:
        into = workplace / f"round-{rounds}"
        into.mkdir()
        left = min(KILLS_A_ROUND, KILLS - sum(killed.values()))
        for stage in STAGES:
            output = into / stage.output
            partial = output.with_name(f"{output.name}.partial")
            written: dict[str, int] = {}
            while left and not output.exists():
                process = start(stage, workplace, into)
                if end_after(process, rng.uniform(0, seconds[stage.name]), into):
                    killed[stage.name] += 1
                    left -= 1
                    assert written.items() <= parts(partial if partial.exists() else output).items()
                    written = parts(partial)
            finish(start(stage, workplace, into), into)
            assert written.items() <= parts(output).items(), f"{stage.name} did finished work anew"
            going_on += len(written)
            assert pl.read_parquet(output).equals(expected[stage.name]), stage.name
            assert not partial.exists()
            names = {path.name for path in (calm / stage.output).iterdir()}
            assert {path.name for path in output.iterdir()} == names
        rounds += 1
    print(f"{rounds} rounds, killed: {killed}; {going_on} finished parts were gone on from")
