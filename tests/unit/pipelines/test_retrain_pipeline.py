"""The retraining pipelines as kfp compiles them: what is done only with enough new problems."""

from functools import partial
from typing import Any

import pytest
from google.protobuf import json_format
from kfp import dsl
from kfp.dsl import Dataset, Output

from z1.recipe import Publish, Recipe
from z1_pipelines.choosing import find_pipeline_here, find_retraining_here
from z1_pipelines.compiling import compile_pipeline
from z1_pipelines.retrain_pipeline import add_full, add_iteration
from z1_pipelines.steps import Steps, on_cluster

FIRST = {"problems", "incumbent", "in-service", "added"}
ENOUGH = "inputs.parameter_values['pipelinechannel--added-Output'] == 'yes'"


class Graph:
    """The steps of a compiled pipeline; a step is known by its name and not by its task's."""

    def __init__(self, pipeline: Any) -> None:
        self.spec = json_format.MessageToDict(pipeline.pipeline_spec)
        self.inputs: dict[str, dict[str, str]] = {}
        """Of each step, by the name of the input: the step that made it."""
        self.settings: dict[str, dict[str, str]] = {}
        self.conditions: dict[str, str] = {}
        self._read(self.spec["root"], {}, "")

    def _read(self, part: Any, outside: dict[str, str], condition: str) -> None:
        tasks = part["dag"]["tasks"]
        constants = {
            name: {
                key: value["runtimeValue"]["constant"]
                for key, value in task["inputs"].get("parameters", {}).items()
                if "runtimeValue" in value
            }
            for name, task in tasks.items()
        }

        def source(given: Any) -> str:
            if "taskOutputArtifact" in given:
                return constants[given["taskOutputArtifact"]["producerTask"]]["step"]
            return outside[given["componentInputArtifact"]]

        for name, task in tasks.items():
            component = self.spec["components"][task["componentRef"]["name"]]
            artifacts = task["inputs"].get("artifacts", {})
            sources = {key: source(given) for key, given in artifacts.items()}
            if "dag" in component:
                inner = task.get("triggerPolicy", {}).get("condition", "")
                self._read(component, sources, f"{condition}{inner}")
                continue
            step = constants[name].pop("step")
            assert step not in self.inputs
            self.inputs[step], self.settings[step] = sources, constants[name]
            constants[name]["step"] = step
            self.conditions[step] = condition


@pytest.fixture
def recipe(demo: Recipe) -> Recipe:
    return demo.model_copy(update={"publish": Publish(registry="https://git.example.com/m.git")})


def find(recipe: Recipe, mode: Any, **retrain: Any) -> Graph:
    section = recipe.retrain.model_copy(update=retrain)
    return Graph(find_retraining_here(recipe.model_copy(update={"retrain": section}), mode))


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_an_iteration_goes_on_from_the_incumbent_with_what_was_added(recipe, method):
    graph = find(recipe, "iteration", method=method)
    trained = f"iter-{method}"
    selected = {"sft": "chosen", "dpo": "pairs"}[method]
    answers = {"replies": "iter-verdicts", "problems": "added"}
    rows = {"sft": {"examples": "chosen", "problems": "added"}, "dpo": {"pairs": "pairs"}}[method]
    assert graph.inputs == {
        "problems": {},
        "incumbent": {},
        "added": {"problems": "problems", "incumbent": "incumbent"},
        "iter-replies": {"problems": "added", "model": "incumbent"},
        "iter-verdicts": {"replies": "iter-replies", "problems": "added"},
        selected: answers,
        trained: {**rows, "model": "incumbent"},
        "evaluate": {
            "problems": "problems",
            "incumbent": "incumbent",
            f"iter_{method}": trained,
        },
        "publish": {
            "problems": "problems",
            "incumbent": "incumbent",
            "added": "added",
            "iter_replies": "iter-replies",
            "iter_verdicts": "iter-verdicts",
            selected: selected,
            f"iter_{method}": trained,
            "evaluate": "evaluate",
        },
        "gate": {"evaluate": "evaluate", "published": "publish"},
        "deploy": {"published": "publish", "gate": "gate"},
    }
    how = {"section": "iterate", "split": "iteration", "efforts": "none"}
    assert how.items() <= graph.settings["iter-replies"].items()
    assert graph.settings[selected]["rule"] == {"sft": "shortest", "dpo": "pairs"}[method]
    assert graph.settings[trained]["section"] == f"train.iter_{method}"


@pytest.mark.parametrize("budgets", [True, False])
def test_a_full_retraining_is_the_whole_pipeline_with_all_problems(recipe, budgets):
    if not budgets:
        evaluate = recipe.evaluate.model_copy(update={"budgets": []})
        recipe = recipe.model_copy(update={"evaluate": evaluate})
    graph, whole = find(recipe, "full"), Graph(find_pipeline_here(recipe))
    assert graph.inputs.pop("in-service") == {}
    assert graph.inputs.pop("added") == {"problems": "problems", "incumbent": "in-service"}
    assert graph.inputs == whole.inputs
    assert {step: graph.settings[step] for step in whole.settings} == whole.settings


@pytest.mark.parametrize("mode", ["iteration", "full"])
def test_all_that_costs_much_waits_for_enough_new_problems(recipe, mode):
    graph = find(recipe, mode)
    for step, condition in graph.conditions.items():
        before = step in FIRST and not (mode == "full" and step == "incumbent")
        assert condition == ("" if before else ENOUGH), step


@dsl.component(base_image=f"example.com/z1@sha256:{64 * '0'}", install_kfp_package=False)
def select(recipe: str, step: str, output: Output[Dataset], workspace: str = "") -> None:
    """Do nothing, in an image whose outputs may be taken from the cache; it is never run."""


@pytest.mark.parametrize(
    "add",
    [
        partial(add_iteration, method="sft"),
        partial(add_full, add=lambda steps: steps.do(select, "select")),
        None,
    ],
    ids=["iteration", "full", "none"],
)
def test_a_retraining_takes_nothing_from_the_cache_of_the_last_one(add):
    def add_one_more(steps: Steps) -> None:
        if add:
            add(steps)
        steps.do(select, "last")

    text = compile_pipeline(on_cluster("trial", "A trial.", add_one_more))
    assert ("enableCache: true" in text) == (add is None)
