"""The demo's pipeline under DVC, in a clone with a recipe made small."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CLONED = ("z1", "recipes", "results", ".dvc", ".dvcignore", ".gitignore", "dvc.yaml", "dvc.lock")
MODELS = {"base", "tag-low", "tag-medium", "tag-high", "random", "tops", "iter-sft", "iter-dpo"}
# All that comes of the TOPS model or is trained in the same way.
FROM_TOPS = {
    *("tops", "random", "iter-replies", "iter-verdicts", "chosen", "pairs"),
    *("iter-sft", "iter-dpo", "evaluate"),
}
_COMMAND = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    call = json.dumps([sys.argv[1:], os.getcwd()]).encode()
    socket.send_fds(server, [call], [1, 2])
    sys.exit(int(server.recv(16) or 1))
"""
"""A `z1` that has preloaded.py run it."""
_START = 300  # seconds

pytestmark = pytest.mark.timeout(1800)


def make_small(recipe: Path) -> None:
    """Put a hundred sums into a recipe, few short replies and short trainings.

    `z1 run` looks for the steps of a recipe called ``dvc`` where dvc.yaml has its own.
    """
    rng = random.Random(0)
    with recipe.with_name("sums.jsonl").open("w") as file:
        for number in range(100):
            terms = [rng.randrange(10, 100) for _ in range(2 + number % 2)]
            row = {
                "prompt": " + ".join(map(str, terms)),
                "answer": str(sum(terms)),
                "verifier": "exact",
                "difficulty": f"{len(terms)} numbers",
            }
            file.write(json.dumps(row) + "\n")
    content = yaml.safe_load(recipe.read_text())
    content["name"] = "dvc"
    splits = {"evaluation": 0.15, "seed": 0.25, "train": 0.3, "iteration": 0.3}
    sources = [{"kind": "file", "path": "sums.jsonl"}]
    content["problems"] = {"splits": splits, "sources": sources}
    sampling = {"max_tokens": 40, "batch_size": 128, "part_size": 128}
    content["generate"].update(sampling)
    content["iterate"].update(sampling, samples=4)
    content["evaluate"]["sampling"].update(sampling)
    content["evaluate"].update(seeds=[1], greedy=False, resamples=200, budgets=[6])
    for training in content["train"].values():
        training.update(batch_size=8, device_batch_size=8, epochs=1)
    content["train"]["tag"]["epochs"] = 2
    recipe.write_text(yaml.safe_dump(content, sort_keys=False))


class Clone(NamedTuple):
    """A Git repository with dvc.yaml, and the environment in which its z1 is the one that runs."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *command: str) -> str:
        """Run a command there and return what it prints."""
        result = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert result.returncode == 0, result.stdout[-5000:]
        return result.stdout

    def json(self, *command: str) -> Any:
        return json.loads(self(*command, "--json"))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A clone in which nothing has been run; its `z1` starts quickly."""
    folder = tmp_path_factory.mktemp("clone")
    left_out = shutil.ignore_patterns("__pycache__", "tmp", "cache", "config.local")
    for path in (ROOT / name for name in CLONED):
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=left_out)
        elif path.exists():
            shutil.copy(path, folder)
    make_small(folder / "recipes" / "demo.yaml")
    with tempfile.TemporaryDirectory() as short:  # a socket's path must be
        commands, address = Path(short, "bin"), f"{short}/z1"
        commands.mkdir()
        (commands / "z1").write_text(_COMMAND.format(python=sys.executable, address=address))
        (commands / "z1").chmod(0o755)
        for name in ("components", "pipelines"):
            Path(short, f"z1_{name}").symlink_to(ROOT / name)
        binaries = Path(sys.executable).parent
        environment = os.environ | {
            "PATH": f"{commands}:{binaries}:{os.environ['PATH']}",
            "PYTHONPATH": f"{folder}:{short}",
            "OMP_NUM_THREADS": "1",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": f"{short}/site",
            "DVC_GLOBAL_CONFIG_DIR": f"{short}/global",
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{who}_NAME": "a tester" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "tester@example.org" for who in ("AUTHOR", "COMMITTER")},
        }
        made = Clone(folder, environment)
        made("git", "init", "--quiet")
        commit(made)
        server = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("preloaded.py"), address], env=environment
        )
        try:
            deadline = time.monotonic() + _START
            while not Path(address).exists():
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield made
        finally:
            server.kill()
            server.wait()


def commit(clone: Clone) -> None:
    clone("git", "add", "--all")
    clone("git", "commit", "--quiet", "--message", "all")


def started(log: str) -> list[str]:
    return re.findall(r"Running stage '(.+)'", log)


def show_metrics(clone: Clone) -> dict[str, Any]:
    """Return what `dvc metrics show` shows, by model."""
    [shown] = clone.json("dvc", "metrics", "show").values()
    return {Path(path).stem: figures["data"] for path, figures in shown["data"].items()}


@pytest.fixture(scope="module")
def reproduced(clone: Clone) -> str:
    """What the first `dvc repro` printed; its results are committed."""
    log = clone("dvc", "repro")
    commit(clone)
    return log


def test_a_fresh_clone_runs_every_step_once_and_commits_no_more_than_results(clone, reproduced):
    steps = yaml.safe_load((clone.folder / "dvc.yaml").read_text())["stages"]
    assert sorted(started(reproduced)) == sorted(steps)
    kept = clone("git", "ls-files", "runs", "results", "dvc.lock").split()
    plots = {f"results/plots/{name}.csv" for name in ("models", "difficulty", "budgets")}
    assert set(kept) == {"dvc.lock", *plots, *(f"results/metrics/{m}.json" for m in MODELS)}


def test_run_again_it_does_nothing(clone, reproduced):
    log = clone("dvc", "repro")
    assert not started(log)
    assert "up to date" in log
    assert clone("git", "status", "--porcelain") == ""


def test_z1_run_takes_every_step_for_its_own_and_has_the_same_figures(clone, reproduced):
    log = clone(sys.executable, "-m", "z1.cli", "run", "recipes/demo.yaml")
    assert log.count("skipped") == len(started(reproduced))
    report = json.loads((clone.folder / "runs" / "dvc" / "report.json").read_text())
    figures = ("accuracy", "accuracy_stderr", "thinking_tokens")
    assert show_metrics(clone) == {
        "-".join(filter(None, (model["name"], model["effort"]))): {
            figure: model[figure] for figure in figures
        }
        for model in report["models"]
    }


def test_a_changed_training_runs_again_from_there_on_and_is_compared(clone, reproduced):
    before = show_metrics(clone)
    change = "recipes/demo.yaml:train.tops.learning_rate=0.01"
    assert set(started(clone("dvc", "exp", "run", "--set-param", change))) == FROM_TOPS
    after = show_metrics(clone)
    changed = {model for model in MODELS if before[model] != after[model]}
    assert "tops" in changed
    assert changed <= {"random", "tops", "iter-sft", "iter-dpo"}

    difference = clone.json("dvc", "metrics", "diff")
    assert {Path(path).stem for path in difference} == changed
    [rate] = clone.json("dvc", "params", "diff")["recipes/demo.yaml"].values()
    assert rate["new"] == 0.01
    clone("dvc", "plots", "diff", "HEAD")
    page = (clone.folder / "dvc_plots" / "index.html").read_text()
    for plot in yaml.safe_load((clone.folder / "dvc.yaml").read_text())["plots"]:
        [title] = plot
        assert title in page
    assert "workspace" in page
