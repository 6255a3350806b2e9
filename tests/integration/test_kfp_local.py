import fcntl
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from kfp import compiler, dsl, local
from kfp.local.graph_utils import topological_sort
from rich.console import Console

from z1.errors import InputError, RunError
from z1.recipe import Recipe
from z1.run import run_pipeline
from z1.stages import read_record
from z1_components.generate.component import generate
from z1_components.problems.component import problems
from z1_components.select.component import select
from z1_components.verify.component import verify
from z1_pipelines.choosing import PIPELINES as CHOICES
from z1_pipelines.steps import here

PIPELINES = Path(__file__).parents[2] / "pipelines"


def z1(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "z1.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture
def content(demo: Recipe, tmp_path: Path) -> dict[str, Any]:
    """The demo's recipe on eighty sums from a file, as its YAML would hold it."""
    rows = [{"prompt": f"{i} + 13", "answer": i + 13, "verifier": "math"} for i in range(10, 90)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    content = demo.model_dump(mode="json") | {"name": "mine"}
    content["select"]["min_gap"] = 1
    content["problems"] = {
        "sources": [{"kind": "file", "path": str(tmp_path / "sums.jsonl")}],
        "splits": {"evaluation": 0.25, "seed": 0.25, "train": 0.25, "iteration": 0.25},
    }
    return content


def write_recipe(content: dict[str, Any], folder: Path) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@dsl.pipeline(name="seed")
def seed_pipeline(recipe: str, workspace: str = "") -> None:
    """The first four steps of the TOPS pipeline."""
    run = {"recipe": recipe, "workspace": workspace}
    given = problems(step="problems", **run).outputs["output"]
    options = {"section": "teacher", "split": "seed", "efforts": "all"}
    replies = generate(step="replies", problems=given, **options, **run).outputs["output"]
    verdicts = verify(step="verdicts", replies=replies, problems=given, **run).outputs["output"]
    select(step="kept", rule="seed", replies=verdicts, problems=given, **run)


@dsl.component(base_image="z1-cpu", install_kfp_package=False)
def stumble(recipe: str, step: str, workspace: str) -> None:
    """Fail in the way that the recipe names."""
    import os
    import signal

    print("about to fail", flush=True)
    if recipe == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    raise ZeroDivisionError("no such quotient")


@dsl.pipeline(name="stumbling")
def stumbling_pipeline(recipe: str, workspace: str = "") -> None:
    """One step that fails."""
    stumble(recipe=recipe, step="stumble", workspace=workspace)


def run_here(pipeline: Any, recipe: str, folder: Path) -> str:
    """Run a pipeline in a folder and return what the screen shows."""
    folder.mkdir(exist_ok=True)
    shown = StringIO()
    with (folder / "run.log").open("a", buffering=1) as log:
        run_pipeline(pipeline, recipe, folder, log, Console(file=shown, width=100))
    return shown.getvalue()


def compile_pipeline(name: str, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Compile a pipeline; return the inputs of each step by their steps, and its settings."""
    kfp = Path(sys.executable).with_name("kfp")
    output = folder / f"{name}.yaml"
    command = [kfp, "dsl", "compile", "--py", PIPELINES / f"{name}_pipeline.py", "--output", output]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    # The same steps as on this machine; what a cluster has more of is tested with the pipelines.
    kept = "tops-budgets" if name == "budgets" else name
    compiler.Compiler().compile(here(kept, CHOICES[kept].add), str(output))
    spec = next(yaml.safe_load_all(output.read_text()))
    tasks = spec["root"]["dag"]["tasks"]
    values = {
        task: {
            name: value["runtimeValue"]["constant"]
            for name, value in parts["inputs"]["parameters"].items()
            if "runtimeValue" in value
        }
        for task, parts in tasks.items()
    }
    # As late as possible, since the trainings may take days.
    order = topological_sort(
        {task: parts.get("dependentTasks", []) for task, parts in tasks.items()}
    )
    last = [values[task]["step"] for task in order][:5]
    assert last == ["deploy", "gate", "publish", "evaluate", "incumbent"]
    inputs = {
        values[task]["step"]: {
            name: values[given["taskOutputArtifact"]["producerTask"]]["step"]
            for name, given in parts["inputs"].get("artifacts", {}).items()
        }
        for task, parts in tasks.items()
    }
    settings = {value.pop("step"): value for value in values.values()}
    return inputs, {step: value for step, value in settings.items() if value}


SERVICE = {
    "incumbent": {},
    "gate": {"evaluate": "evaluate", "published": "publish"},
    "deploy": {"published": "publish", "gate": "gate"},
}
"""The steps that ask the registry and the cluster."""


def test_the_z1_pipeline_is_wired_as_designed(tmp_path):
    inputs, settings = compile_pipeline("z1", tmp_path)
    given = {"problems": "problems"}
    assert inputs == {
        "problems": {},
        "replies": given,
        "kept": given | {"replies": "replies"},
        "subset": given | {"replies": "kept"},
        "z1": given | {"examples": "subset"},
        "evaluate": given | {"z1": "z1", "incumbent": "incumbent"},
        "publish": {step: step for step in ("problems", "replies", "kept", "subset", "z1")}
        | {"evaluate": "evaluate"},
        **SERVICE,
    }
    assert settings == {
        "replies": {"section": "teacher", "split": "train", "efforts": "none"},
        "subset": {"rule": "tokens"},
        "z1": {"section": "train.z1"},
    }


@pytest.mark.parametrize("name", ["tops", "budgets"])
def test_pipelines_compile_from_anywhere_and_are_wired_as_designed(name, tmp_path):
    inputs, settings = compile_pipeline(name, tmp_path)
    given = {"problems": "problems"}
    budgets = name == "budgets"
    more = given | {"examples": "shortest"}
    assert {step: inputs.pop(step) for step in SERVICE} == SERVICE
    published = inputs.pop("publish")
    assert published == {step.replace("-", "_"): step for step in inputs}
    assert inputs == {
        "problems": {},
        "seed-replies": given,
        "seed-verdicts": given | {"replies": "seed-replies"},
        "seed": given | {"replies": "seed-verdicts"},
        "tag": given | {"examples": "seed"},
        "replies": given | {"model": "tag"},
        "verdicts": given | {"replies": "replies"},
        "shortest": given | {"replies": "verdicts", "seed": "seed"},
        "tops": given | {"examples": "shortest"},
        "random-right": given | {"replies": "verdicts", "seed": "seed"},
        "random": given | {"examples": "random-right"},
        "iter-replies": given | {"model": "tops"},
        "iter-verdicts": given | {"replies": "iter-replies"},
        "chosen": given | {"replies": "iter-verdicts"},
        "iter-sft": given | {"examples": "chosen", "model": "tops"},
        "pairs": given | {"replies": "iter-verdicts"},
        "iter-dpo": {"pairs": "pairs", "model": "tops"},
        "evaluate": given
        | {
            "tag": "tag",
            "random": "random",
            "tops": "tops",
            "iter_sft": "iter-sft",
            "iter_dpo": "iter-dpo",
            "incumbent": "incumbent",
        }
        | ({"tops_stop": "tops-stop", "tops_tags": "tops-tags"} if budgets else {}),
    } | ({"tops-stop": more, "tops-tags": more} if budgets else {})
    assert settings == {
        "seed-replies": {"section": "teacher", "split": "seed", "efforts": "all"},
        "seed": {"rule": "seed"},
        "tag": {"section": "train.tag"},
        "replies": {"section": "generate", "split": "train", "efforts": "all"},
        "shortest": {"rule": "shortest"},
        "tops": {"section": "train.tops"},
        "random-right": {"rule": "random"},
        "random": {"section": "train.tops"},
        "iter-replies": {"section": "iterate", "split": "iteration", "efforts": "none"},
        "chosen": {"rule": "shortest"},
        "iter-sft": {"section": "train.iter_sft"},
        "pairs": {"rule": "pairs"},
        "iter-dpo": {"section": "train.iter_dpo"},
    } | (
        {
            "tops-stop": {"section": "train.tops_stop"},
            "tops-tags": {"section": "train.tops_tags"},
        }
        if budgets
        else {}
    )


def test_steps_write_to_the_workspace_and_are_skipped_when_done(tmp_path, content):
    folder = tmp_path / "run"
    shown = run_here(seed_pipeline, json.dumps(content), folder)
    kept = read_record(folder / "kept")
    assert [parent["step"] for parent in kept["parents"]] == ["verdicts", "problems"]
    assert kept["kept"] > 0
    # A slow machine also shows how far a step is.
    assert [line.split()[:2] for line in shown.splitlines() if "  kept " in line] == [
        [f"{i}/4", step] for i, step in enumerate(["problems", "replies", "verdicts", "kept"], 1)
    ]
    assert f"kept {kept['kept']}" in shown
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    assert run_here(seed_pipeline, json.dumps(content), folder).count("skipped") == 4
    content["select"]["min_gap"] = 2
    assert run_here(seed_pipeline, json.dumps(content), folder).count("skipped") == 3
    again = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    assert {path.parent.name for path in times if again[path] != times[path]} == {"kept"}


def test_without_a_workspace_steps_write_to_their_artifacts(tmp_path, content):
    warnings.simplefilter("ignore")  # kfp's, on images
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"))
    seed_pipeline(recipe=json.dumps(content))
    (kept,) = (tmp_path / "root").glob("*/select/output/kept")
    assert read_record(kept)["kept"] > 0


def test_a_step_that_waits_for_another_process_says_so(tmp_path, content):
    folder = tmp_path / "run"
    folder.mkdir()
    lock = (folder / ".problems.lock").open("w")  # as of a step that outlived its run
    fcntl.flock(lock, fcntl.LOCK_EX)

    def release() -> None:
        log = folder / "run.log"
        while not (log.exists() and "waiting" in log.read_text()):
            time.sleep(0.1)
        lock.close()

    other = threading.Thread(target=release)
    other.start()
    shown = run_here(seed_pipeline, json.dumps(content), folder)
    other.join()
    assert "waiting: another process works on problems" in shown


def test_broken_problems_end_a_run_with_one_error_and_leave_its_outputs(tmp_path, content):
    run_here(seed_pipeline, json.dumps(content), tmp_path / "mine")
    before = {p: p.read_bytes() for p in (tmp_path / "mine").rglob("*.parquet")}
    with (tmp_path / "sums.jsonl").open("a") as file:
        file.write('{"prompt": "1 + 1",\n')
    done = z1("run", write_recipe(content, tmp_path), "--output", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "sums.jsonl" in done.stderr.splitlines()[0]
    assert "line 81" in done.stderr
    assert f"log: {tmp_path / 'mine' / 'run.log'}" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert before == {p: p.read_bytes() for p in (tmp_path / "mine").rglob("*.parquet")}


def test_python_in_a_folder_with_a_space_runs(tmp_path, content):
    (tmp_path / "my tools").mkdir()
    (tmp_path / "my tools" / "env").symlink_to(sys.prefix)
    python = tmp_path / "my tools" / "env" / "bin" / "python"
    (tmp_path / "sums.jsonl").unlink()
    command = [python, "-m", "z1.cli", "run", write_recipe(content, tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2, done.stderr
    assert "sums.jsonl" in done.stderr


def test_failure_shows_the_end_of_the_traceback(tmp_path):
    with pytest.raises(RunError, match="ZeroDivisionError: no such quotient") as caught:
        run_here(stumbling_pipeline, "divide", tmp_path)
    assert str(caught.value).startswith("step stumble failed")
    assert "about to fail" in (tmp_path / "run.log").read_text()


def test_killed_step_is_told_from_one_with_an_error(tmp_path):
    with pytest.raises(RunError, match="step stumble failed:\nit ended without an error message"):
        run_here(stumbling_pipeline, "killed", tmp_path)


def test_broken_recipe_text_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="recipe: not YAML"):
        run_here(seed_pipeline, "name: [", tmp_path)


def test_second_run_of_a_folder_is_refused_at_once(tmp_path, content):
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    with (tmp_path / "runs" / "mine" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = z1("run", write_recipe(content, tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert "another `z1 run` is at work" in done.stderr
    assert not (tmp_path / "runs" / "mine" / "recipe.yaml").exists()


def test_steps_end_when_their_run_is_killed(tmp_path, content):
    content["problems"] = {
        "sources": [{"kind": "procedural", "dataset": "basic_arithmetic", "count": 100_000}]
    }
    command = [sys.executable, "-m", "z1.cli", "run", write_recipe(content, tmp_path)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        while not (tmp_path / "runs" / "mine" / ".problems.lock").exists():
            assert process.poll() is None
            time.sleep(0.05)
        steps = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert steps
    _, alive = psutil.wait_procs(steps, timeout=60)
    assert not alive
    assert not (tmp_path / "runs" / "mine" / "problems").exists()


def test_interrupted_run_says_how_to_go_on(tmp_path, content):
    content["problems"] = {
        "sources": [{"kind": "procedural", "dataset": "basic_arithmetic", "count": 100_000}]
    }
    command = [sys.executable, "-m", "z1.cli", "run", write_recipe(content, tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, text=True, **pipes) as process:
        while not (tmp_path / "runs" / "mine" / ".problems.lock").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.terminate()
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == "stopped; run the same command again to go on\n"


def test_a_run_ends_quietly_when_nobody_reads_what_it_says(tmp_path, content):
    command = [sys.executable, "-m", "z1.cli", "run", write_recipe(content, tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, text=True, **pipes) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (1, "")
    assert (tmp_path / "runs" / "mine" / "problems" / "stage.json").exists()
    assert not (tmp_path / "runs" / "mine" / "seed").exists()


def test_what_a_killed_run_left_in_the_temporary_folder_goes_with_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    stale = tmp_path / "tmp" / "z1-run-killed"
    (stale / "root").mkdir(parents=True)
    for left, gone in [(stale, True), (tmp_path / "tmp" / "mine", False)]:
        left.mkdir(exist_ok=True)
        (tmp_path / ".scratch").symlink_to(left)
        with pytest.raises(RunError):
            run_here(stumbling_pipeline, "divide", tmp_path)
        assert left.exists() != gone
        assert not (tmp_path / ".scratch").is_symlink()
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == ["mine"]


def test_environment_is_as_before_after_a_run(tmp_path):
    before, python = dict(os.environ), sys.executable
    with pytest.raises(RunError):
        run_here(stumbling_pipeline, "divide", tmp_path)
    assert (dict(os.environ), sys.executable) == (before, python)
