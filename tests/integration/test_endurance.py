"""Generate, verify and select again and again, each stage a process that SIGKILL may end any time.

``Z1_ENDURANCE_PROBLEMS`` and ``Z1_ENDURANCE_KILLS`` say how many problems a round has, each asked
at three efforts, and how many kills there are in all: one round for every six, so that 700 kills
fill an hour. A kill comes to nothing where the stage ends before it.
"""

import os
import random
import shutil
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
KILLS = int(os.environ.get("Z1_ENDURANCE_KILLS", "6"))
KILLS_A_ROUND = 6
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


def rows(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "*.parquet")


def draw_moments(
    rng: random.Random, seconds: dict[str, float], count: int
) -> dict[str, list[float]]:
    """Draw moments of an undisturbed run; return those of each stage, in seconds after its start.

    Each is for a start of its own.
    """
    found: dict[str, list[float]] = {name: [] for name in seconds}
    for name in rng.choices(list(seconds), list(seconds.values()), k=count):
        found[name].append(rng.uniform(0, seconds[name]))
    return found


@pytest.mark.timeout(600 + 60 * KILLS)
def test_stages_that_are_killed_at_any_time_end_with_the_rows_of_an_undisturbed_run(workplace):
    calm = workplace / "calm"
    calm.mkdir()
    seconds: dict[str, float] = {}
    for stage in STAGES:
        begun = time.monotonic()
        finish(start(stage, workplace, calm), calm)
        seconds[stage.name] = time.monotonic() - begun
    expected = {stage.name: rows(calm / stage.output) for stage in STAGES}
    assert expected["generate"].height == expected["verify"].height > 2 * PROBLEMS
    assert expected["select"].height > 0

    rng = random.Random(0)
    killed: dict[str, int] = dict.fromkeys(seconds, 0)
    gone_on = 0
    for number, drawn in enumerate(range(0, KILLS, KILLS_A_ROUND)):
        into = workplace / f"round-{number}"
        into.mkdir()
        moments = draw_moments(rng, seconds, min(KILLS_A_ROUND, KILLS - drawn))
        for stage in STAGES:
            output = into / stage.output
            partial = output.with_name(f"{output.name}.partial")
            written: dict[str, int] = {}
            for moment in moments[stage.name]:
                if end_after(start(stage, workplace, into), moment, into):
                    killed[stage.name] += 1
                there = parts(output if output.exists() else partial)
                assert written.items() <= there.items(), f"{stage.name} did finished work again"
                written = there
            finish(start(stage, workplace, into), into)
            assert written.items() <= parts(output).items(), f"{stage.name} did finished work again"
            gone_on += len(written)
            assert rows(output).equals(expected[stage.name]), stage.name
            assert not partial.exists()
            names = {path.name for path in (calm / stage.output).iterdir()}
            assert {path.name for path in output.iterdir()} == names
        shutil.rmtree(into)
    print(f"killed: {killed}; {gone_on} parts were there when work went on")
