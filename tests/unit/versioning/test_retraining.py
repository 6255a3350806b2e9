"""A scheduled retraining, run on this machine: from the model in service to its successor."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from z1.recipe import Recipe, load_recipe
from z1.run import run_pipeline
from z1.stages import run_stage
from z1.versioning.lineage import list_ancestors, parents_of
from z1.versioning.publishing import Artifact, publish
from z1.versioning.registry import open_registry
from z1.versioning.versions import find_version, list_versions, promote
from z1_pipelines.choosing import find_retraining_here


@pytest.fixture
def recipe(demo: Recipe, models: Path, tmp_path: Path) -> Recipe:
    """The demo's recipe on sums from a file, with as little work as there can be."""
    content = demo.model_dump(mode="json") | {"name": "mine"}
    content["problems"] = {"sources": [{"kind": "file", "path": "sums.jsonl"}]}
    content["problems"]["splits"] = {"evaluation": 0.2, "seed": 0.3, "train": 0.3, "iteration": 0.2}
    content["publish"] = {"registry": str(models)}
    content["retrain"] = {"min_problems": 10}
    content["iterate"]["samples"] = 4
    for sampling in (content["iterate"], content["evaluate"]["sampling"]):
        sampling["max_tokens"] = 40
    content["evaluate"].update(seeds=[1], greedy=False, budgets=[5], resamples=100)
    write_sums(tmp_path, 20)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    return load_recipe(tmp_path / "mine.yaml")


def write_sums(folder: Path, count: int) -> None:
    rows = [{"prompt": f"{i} + 13", "answer": i + 13, "verifier": "math"} for i in range(10, 90)]
    text = "".join(json.dumps(row) + "\n" for row in rows[:count])
    (folder / "sums.jsonl").write_text(text)


def retrain(recipe: Recipe, folder: Path) -> str:
    """Run the retraining; return what the screen shows."""
    folder.mkdir(exist_ok=True)
    shown = StringIO()
    with (folder / "run.log").open("a", buffering=1) as log:
        text, console = recipe.model_dump_json(), Console(file=shown, width=100)
        run_pipeline(find_retraining_here(recipe), text, folder, log, console)
    return shown.getvalue()


def test_enough_new_problems_train_the_model_in_service_further_and_too_few_do_not(
    recipe, models, two_versions, tmp_path
):
    first = tmp_path / "first"
    run_stage("problems", recipe, "problems", {}, first)
    chain = [
        Artifact("mine/problems", "dataset", "problems", "1", first, (), {}, {}),
        Artifact("mine", "model", "tops", "1", two_versions / "v1", ("mine/problems",), {}, {}),
    ]
    publish(str(models), chain, "mine", "")
    with open_registry(str(models)) as registry:
        promote(registry, "mine@v3", "prod")
    folder = tmp_path / "run"

    write_sums(tmp_path, 25)
    retrain(recipe, folder)
    steps = {path.parent.name for path in folder.glob("*/stage.json")}
    assert steps == {"problems", "incumbent", "added"}
    assert "nothing to do: " in (folder / "run.log").read_text()
    assert json.loads((folder / "added" / "added.json").read_bytes())["enough"] is False

    write_sums(tmp_path, 50)
    retrain(recipe, folder)
    report = json.loads((folder / "evaluate" / "report.json").read_bytes())
    assert {"incumbent", "iter-sft"} <= {row["name"] for row in report["models"]}
    assert report["gate"]["candidate"] == "iter-sft"
    with open_registry(str(models)) as registry:
        versions = list_versions(registry)
    new = find_version(versions, "mine@v4")
    assert new.published.step == "iter-sft"
    parents = {"mine/added@v1", "mine/chosen@v1", "mine@v3"}
    assert {each.version for each in parents_of(new)} == parents
    added = find_version(versions, "mine/added@v1")
    assert {each.version for each in parents_of(added)} == {"mine/problems@v2", "mine@v3"}
    made = {str(version) for version in list_ancestors(versions, new)}
    assert not any(name.startswith(("mine/base", "mine/teacher")) for name in made)
    gate: dict[str, Any] = json.loads((folder / "gate" / "gate.json").read_bytes())
    assert gate["version"] == "mine@v4"
    in_service = "mine@v4" if gate["opens"] else "mine@v3"
    assert "prod" in find_version(versions, in_service).stages
    assert json.loads((folder / "deploy" / "deployment.json").read_bytes())["changed"] is False
