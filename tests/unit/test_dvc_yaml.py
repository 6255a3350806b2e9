"""dvc.yaml is the demo's pipeline: the same steps, inputs, options and sections as kfp compiles."""

import functools
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from kfp import compiler
from ruamel.yaml import YAML

from z1.cli import stage as stage_command
from z1.stages import find_section
from z1.stages.keys import find_sources, find_uses
from z1_pipelines.budgets_pipeline import add_budgets_steps
from z1_pipelines.steps import here

ROOT = Path(__file__).parents[2]
RECIPE = "recipes/demo.yaml"
OUTPUTS = "runs/dvc"
DVC: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())


class Step(NamedTuple):
    """What a step runs."""

    stage: str
    section: str
    inputs: dict[str, str]
    options: dict[str, str]


def read_command(name: str) -> Step:
    """Return the step that a DVC stage's command runs, as the command line understands it."""
    command = DVC["stages"][name]["cmd"]
    words = shlex.split(command if isinstance(command, str) else command[0])
    assert words[:2] == ["z1", "stage"]
    given = stage_command.make_context("stage", words[2:]).params
    assert given["recipe"] == RECIPE
    assert str(given["output"]) == f"{OUTPUTS}/{name}"
    inputs = {key: path.removeprefix(f"{OUTPUTS}/") for key, path in given["inputs"]}
    return Step(given["name"], given["section"], inputs, dict(given["options"]))


PLACE = ("step", "section")  # a component's constants besides its options
SECTIONS = {"incumbent": "publish"}  # of stages that are not called as theirs is
STEPS = {name: read_command(name) for name in DVC["stages"]}


def read_pipeline(folder: Path) -> dict[str, Step]:
    """Return the pipeline's steps that lead to the evaluation, and that one."""
    path = folder / "pipeline.yaml"
    compiler.Compiler().compile(here("tops-budgets", add_budgets_steps), str(path))
    spec = next(yaml.safe_load_all(path.read_text()))
    tasks = spec["root"]["dag"]["tasks"]
    constants = {
        task: {
            name: value["runtimeValue"]["constant"]
            for name, value in parts["inputs"]["parameters"].items()
            if "runtimeValue" in value
        }
        for task, parts in tasks.items()
    }
    found = {}
    for task, parts in tasks.items():
        label = spec["components"][parts["componentRef"]["name"]]["executorLabel"]
        stage = spec["deploymentSpec"]["executors"][label]["container"]["args"][-1]
        inputs = {
            name.replace("_", "-"): constants[source["taskOutputArtifact"]["producerTask"]]["step"]
            for name, source in parts["inputs"].get("artifacts", {}).items()
        }
        options = {name: text for name, text in constants[task].items() if name not in PLACE}
        section = constants[task].get("section", SECTIONS.get(stage, stage))
        found[constants[task]["step"]] = Step(stage, section, inputs, options)
    needed, waiting = set(), ["evaluate"]
    while waiting:
        needed.add(step := waiting.pop())
        waiting += found[step].inputs.values()
    return {step: what for step, what in found.items() if step in needed}


def test_dvc_runs_the_steps_of_the_pipeline(tmp_path):
    assert read_pipeline(tmp_path) == STEPS


@functools.cache
def find_code(stage: str) -> set[str]:
    """Return the files and rooms that make up the code part of a stage's key."""
    paths = (path.relative_to(ROOT / "z1") for path in find_sources(f"z1.stages.{stage}"))
    return {f"z1/{path if path.parts[0] == 'stages' else path.parts[0]}" for path in paths}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_depends_on_its_inputs_and_on_all_code_that_its_result_depends_on(name):
    inputs = {f"{OUTPUTS}/{source}" for source in STEPS[name].inputs.values()}
    given = DVC["stages"][name]["deps"]
    assert set(given) == inputs | find_code(STEPS[name].stage)
    assert len(given) == len(set(given))


@pytest.mark.parametrize("name", STEPS)
def test_a_step_depends_on_exactly_the_keys_of_the_recipe_that_its_stage_reads(name, demo):
    step = STEPS[name]
    section = find_section(demo, step.section)
    [params] = DVC["stages"][name]["params"]
    assert set(params[RECIPE]) == {step.section, *find_uses(step.stage), *section.uses()}


def test_dvc_finds_every_key_in_the_recipe_as_it_is_written():
    content = yaml.safe_load((ROOT / RECIPE).read_text())
    for stage in DVC["stages"].values():
        for key in stage["params"][0][RECIPE]:
            value = content
            for part in key.split("."):
                value = value[part]


def test_the_recipe_shares_no_section_that_dvc_would_change_in_two_places():
    """DVC's --set-param edits what ruamel.yaml reads, where two aliases are one object."""
    content = YAML(typ="rt").load((ROOT / RECIPE).read_text())
    sections = list(_sections(content))
    assert len(sections) > 20
    assert len(sections) == len({id(section) for section in sections})


def _sections(section: Any) -> Iterator[Any]:
    """Yield all sections; those in lists apart, which DVC replaces whole."""
    yield section
    for value in section.values():
        if isinstance(value, dict):
            yield from _sections(value)
