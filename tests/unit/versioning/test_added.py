"""Which problems were added since the model in service was made, by a real registry."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from z1.errors import InputError
from z1.recipe import Publish, Recipe, Retrain
from z1.records import PROBLEM, SPLITS, scan, write_part
from z1.stages import run_stage
from z1.stages.added import is_enough
from z1.versioning.publishing import Artifact, publish
from z1.versioning.versions import Ancestor


def write_problems(folder: Path, **prompts: list[str]) -> Path:
    """Write the output of the problems stage: prompts by split."""
    for split in SPLITS:
        rows = [
            {"id": f"{split}-{prompt}", "prompt": prompt, "answer": '"1"', "verifier": "exact"}
            | {"difficulty": None, "source": "test"}
            for prompt in prompts.get(split, [])
        ]
        write_part(rows, folder / f"{split}.parquet", PROBLEM)
    return folder


def artifact(name: str, folder: Path, *parents: str, **more: Any) -> Artifact:
    kind: Any = "dataset" if "/" in name else "model"
    return Artifact(name, kind, name, str(folder), folder, parents, {}, {}, **more)


@pytest.fixture(scope="module")
def lineages(
    two_versions: Path, environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A registry in which ``mine@v3`` was made with ``mine/problems@v1``, and ``mine@v4`` from
    ``mine@v3`` with ``mine/problems@v2``; ``mine@v1`` was made from nothing."""
    folder = tmp_path_factory.mktemp("lineages")
    url = str(shutil.copytree(two_versions / "models.git", folder / "models.git"))
    first = write_problems(
        folder / "first", evaluation=["held out"], seed=["a"], train=["b"], iteration=["c"]
    )
    chain = [
        artifact("mine/problems", first),
        artifact("mine/shortest", first, "mine/problems"),
        artifact("mine", two_versions / "v1", "mine/shortest"),
    ]
    made = publish(url, chain, "mine", "")["mine"]
    before = Ancestor(version=made.version, content=made.content, digest=made.content[-64:])
    second = write_problems(folder / "second", seed=["b"], iteration=["c", "d"])
    chain = [
        artifact("mine/problems", second),
        artifact("mine", two_versions / "v2", "mine/problems", ancestors=(before,)),
    ]
    publish(url, chain, "mine", "")
    return Path(url)


@pytest.fixture
def recipe(demo: Recipe, models: Path, lineages: Path) -> Recipe:
    where = {"publish": Publish(registry=str(lineages)), "retrain": Retrain(min_problems=2)}
    return demo.model_copy(update={"name": "mine", **where})


def find(
    recipe: Recipe, incumbent: str | None, problems: Path, folder: Path
) -> tuple[list[str], dict[str, Any]]:
    """Run the stage; return the prompts that are new, and what ``added.json`` says."""
    (folder / "incumbent").mkdir(exist_ok=True)
    (folder / "incumbent" / "incumbent.json").write_text(json.dumps({"version": incumbent}))
    given = {"problems": problems, "incumbent": folder / "incumbent"}
    output = folder / "added"
    run_stage("added", recipe, "retrain", given, output)
    prompts = scan(output, PROBLEM).collect()["prompt"].to_list()
    assert sorted(path.name for path in output.iterdir()) == [
        "added.json",
        "iteration.parquet",
        "stage.json",
    ]
    return prompts, json.loads((output / "added.json").read_bytes())


def test_problems_are_new_that_no_split_had_when_the_model_was_made(recipe, tmp_path):
    now = write_problems(
        tmp_path / "now",
        evaluation=["held out", "new but held out"],
        seed=["A ", "new seed"],  # the same problem, written otherwise
        train=["b", "c", "new train"],
        iteration=["held out once", "new iteration"],
    )
    prompts, said = find(recipe, "mine@v3", now, tmp_path)
    assert prompts == ["new seed", "new train", "held out once", "new iteration"]
    assert said["enough"] is True
    assert said["added"] == 4
    assert (said["incumbent"], said["since"]) == ("mine@v3", "mine/problems@v1")


def test_too_few_problems_are_nothing_to_do_and_that_is_said(recipe, tmp_path, capsys):
    now = write_problems(tmp_path / "now", seed=["a"], train=["b", "new"])
    prompts, said = find(recipe, "mine@v3", now, tmp_path)
    assert prompts == ["new"]
    assert said["enough"] is False
    assert not is_enough(tmp_path / "added")
    assert (
        "nothing to do: 1 problems were added since mine/problems@v1, with which mine@v3 was made; "
        "retrain.min_problems asks for 2"
    ) in capsys.readouterr().out
    now = write_problems(tmp_path / "now", train=["a"], evaluation=["new but held out"])
    prompts, said = find(recipe, "mine@v3", now, tmp_path)
    assert (prompts, said["added"], said["enough"]) == ([], 0, False)


def test_a_model_that_went_on_from_another_is_held_to_its_own_problems(recipe, tmp_path):
    now = write_problems(tmp_path / "now", train=["a", "b", "c", "d", "e"])
    prompts, said = find(recipe, "mine@v4", now, tmp_path)
    assert prompts == ["a", "e"]  # a was taken out and has come back
    assert said["since"] == "mine/problems@v2"
    assert find(recipe, "mine@v3", now, tmp_path)[0] == ["d", "e"]  # after a rollback


def test_with_no_model_in_service_the_error_says_how_one_gets_there(recipe, tmp_path):
    now = write_problems(tmp_path / "now", train=["a"])
    with pytest.raises(InputError, match=r"no version of mine is in service.*z1 promote mine@v1"):
        find(recipe, None, now, tmp_path)


def test_a_model_of_unknown_problems_is_refused(recipe, tmp_path):
    now = write_problems(tmp_path / "now", train=["a"])
    with pytest.raises(InputError, match="mine@v1: was not made from any version of mine/problems"):
        find(recipe, "mine@v1", now, tmp_path)
