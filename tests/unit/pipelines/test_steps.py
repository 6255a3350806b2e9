"""What the compiled pipelines say of each step's pod, against a table."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from kfp import dsl
from kfp.dsl import Dataset, Output

from z1.recipe import Recipe
from z1_pipelines.choosing import PIPELINES, find_retraining
from z1_pipelines.compiling import compile_pipeline
from z1_pipelines.steps import WAYS, Steps, on_cluster

COMPILED = Path(__file__).parents[3] / "pipelines" / "compiled"
COMPONENTS = Path(__file__).parents[3] / "components"

S3 = {
    ("secret", "z1-s3"): {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
    ("config", "z1-s3"): {"AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"},
}
GIT = {("secret", "z1-git"): {"GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0"}}
HUB = {
    ("secret", "z1-hub"): {"HF_TOKEN"},
    ("config", "z1-hub"): {"HF_HUB_CACHE", "HF_HUB_OFFLINE"},
}
KEY = {("secret", "z1-api-key"): {"OPENAI_API_KEY"}}

# Of each component: image, pool, (processors, memory) on cpu, environment, and whether an output
# may be taken from another run's cache.
TABLE = {
    "problems": ("z1-cpu", "cpu", ("1", "4Gi"), HUB, True),
    "incumbent": ("z1-cpu", "cpu", ("2", "4Gi"), S3 | GIT, False),
    "added": ("z1-cpu", "cpu", ("1", "4Gi"), S3 | GIT, False),
    "generate": ("z1-vllm", "sampling", None, S3 | HUB, True),
    "merge": ("z1-cpu", "cpu", ("1", "4Gi"), {}, True),
    "verify": ("z1-cpu", "cpu", ("8", "16Gi"), {}, True),
    "filter": ("z1-cpu", "cpu", ("8", "16Gi"), {}, True),
    "select": ("z1-cpu", "cpu", ("4", "16Gi"), {}, True),
    "sft": ("z1-train", "training", None, S3 | HUB, True),
    "dpo": ("z1-train", "training", None, S3 | HUB, True),
    "evaluate": ("z1-vllm", "sampling", None, S3 | HUB, False),
    "publish": ("z1-cpu", "cpu", ("4", "4Gi"), S3 | GIT, False),
    "gate": ("z1-cpu", "cpu", ("1", "4Gi"), GIT, False),
    "deploy": ("z1-cpu", "cpu", ("1", "4Gi"), S3 | GIT | KEY, False),
    "outcome": ("z1-cpu", "cpu", ("1", "1Gi"), {}, False),
}
_END = {
    **{name: name for name in ("problems", "incumbent", "evaluate", "publish", "gate", "deploy")},
    "outcome": "outcome",
}
_TOPS = {
    **_END,
    **{f"{name}replies-shard": "generate" for name in ("seed-", "", "iter-")},
    **{f"{name}replies": "merge" for name in ("seed-", "", "iter-")},
    **{f"{name}verdicts": "verify" for name in ("seed-", "", "iter-")},
    **dict.fromkeys(("seed", "shortest", "random-right", "chosen", "pairs"), "select"),
    **dict.fromkeys(("tag", "tops", "random", "iter-sft"), "sft"),
    "iter-dpo": "dpo",
}
STEPS = {
    "tops": _TOPS,
    "tops-budgets": {**_TOPS, "tops-stop": "sft", "tops-tags": "sft"},
    "z1": {
        **_END,
        "replies-shard": "generate",
        "replies": "merge",
        "kept": "filter",
        "subset": "select",
        "z1": "sft",
    },
}
"""The component of each step."""


class Task(NamedTuple):
    """A step in a compiled pipeline."""

    component: str
    parts: dict[str, Any]
    container: dict[str, Any]
    pod: dict[str, Any]


def find_dags(spec: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield the inputs that each group of tasks has, and the tasks."""
    for part in (spec["root"], *spec["components"].values()):
        if "dag" in part:
            yield part.get("inputDefinitions", {}), part["dag"]["tasks"]


def read(text: str) -> tuple[dict[str, Any], dict[str, Task]]:
    """Return a compiled pipeline's specification, and its steps by name."""
    spec, platform = yaml.safe_load_all(text)
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    found = {}
    for _, tasks in find_dags(spec):
        for parts in tasks.values():
            component = spec["components"][parts["componentRef"]["name"]]
            if "dag" not in component:
                label = component["executorLabel"]
                container = spec["deploymentSpec"]["executors"][label]["container"]
                name = pods[label]["podMetadata"]["labels"]["z1/step"]
                found[parts["taskInfo"]["name"]] = Task(name, parts, container, pods[label])
    return spec, found


@functools.cache
def read_compiled(name: str) -> tuple[dict[str, Any], dict[str, Task]]:
    return read((COMPILED / f"{name}.yaml").read_text())


def environment(pod: dict[str, Any]) -> dict[tuple[str, str], set[str]]:
    found = {}
    for kind, key in (("secret", "secretAsEnv"), ("config", "configMapAsEnv")):
        for source in pod.get(key, []):
            name = source["secretName" if kind == "secret" else "configMapName"]
            assert source["optional"]  # a cluster need not have all of them
            found[kind, name] = {entry["envVar"] for entry in source["keyToEnv"]}
    return found


def parameter(text: str) -> str:
    return "{{$.inputs.parameters['pipelinechannel--" + text + "']}}"


ALL = [(pipeline, step) for pipeline, steps in STEPS.items() for step in steps]


@pytest.mark.parametrize("name", PIPELINES)
def test_compiled_pipelines_are_current(name):
    current = compile_pipeline(PIPELINES[name].cluster)
    assert (COMPILED / f"{name}.yaml").read_text() == current, "run `make compile`"


def test_compiled_pipelines_are_those_there_are():
    assert {path.stem for path in COMPILED.iterdir()} == set(PIPELINES) == set(STEPS)


@pytest.mark.parametrize("name", STEPS)
def test_each_step_is_in_the_table_under_its_component(name):
    _, tasks = read_compiled(name)
    assert {step: task.component for step, task in tasks.items()} == STEPS[name]


def test_every_component_has_its_way():
    folders = {path.parent.name for path in COMPONENTS.glob("*/component.py")}
    assert folders == set(WAYS) == set(TABLE)


@pytest.mark.parametrize(("pipeline", "step"), ALL)
def test_a_step_runs_in_its_image_with_what_it_needs_of_its_pool(pipeline, step):
    task = read_compiled(pipeline)[1][step]
    image, pool, size, _, _ = TABLE[task.component]
    assert task.container["image"] == image
    resources = task.container["resources"]
    if size:
        cpu, memory = size
        assert resources == {
            "cpuLimit": float(cpu),
            "cpuRequest": float(cpu),
            "memoryLimit": int(memory[:-2]) * 2**30 / 1e9,
            "memoryRequest": int(memory[:-2]) * 2**30 / 1e9,
            "resourceCpuLimit": cpu,
            "resourceCpuRequest": cpu,
            "resourceMemoryLimit": memory,
            "resourceMemoryRequest": memory,
        }
        assert not {"nodeSelector", "tolerations", "emptyDirMounts"} & set(task.pod)
        return
    assert resources == {
        "accelerator": {
            "resourceType": parameter(f"{pool}_accelerator"),
            "resourceCount": parameter(f"{pool}_accelerators"),
        },
        "resourceCpuRequest": parameter(f"{pool}_cpu"),
        "resourceMemoryLimit": parameter(f"{pool}_memory"),
        "resourceMemoryRequest": parameter(f"{pool}_memory"),
    }
    given = {"componentInputParameter": f"pipelinechannel--{pool}_node_selector"}
    assert task.pod["nodeSelector"] == {"nodeSelectorJson": given}
    given = {"componentInputParameter": f"pipelinechannel--{pool}_tolerations"}
    assert task.pod["tolerations"] == [{"tolerationJson": given}]
    [shared] = task.pod["emptyDirMounts"]
    assert (shared["mountPath"], shared["medium"]) == ("/dev/shm", "Memory")


@pytest.mark.parametrize(("pipeline", "step"), ALL)
def test_a_step_knows_what_it_needs_to_know_and_no_more(pipeline, step):
    task = read_compiled(pipeline)[1][step]
    expected = TABLE[task.component][3]
    assert environment(task.pod) == expected
    mounts = [(mount["constant"], mount["mountPath"]) for mount in task.pod.get("pvcMount", [])]
    assert mounts == ([("z1-model-cache", "/models")] if ("secret", "z1-hub") in expected else [])
    assert task.pod["securityContext"] == {"runAsNonRoot": True}
    assert task.pod["podMetadata"] == {"labels": {"z1/step": task.component}}


@pytest.mark.parametrize(("pipeline", "step"), ALL)
def test_a_step_is_tried_again_for_as_long_as_it_may_take(pipeline, step):
    task = read_compiled(pipeline)[1][step]
    gpu = TABLE[task.component][1] != "cpu"
    retry = task.parts["retryPolicy"]
    assert retry["maxRetryCount"] == (10 if gpu else 3)
    assert retry["backoffDuration"] == ("60s" if gpu else "30s")
    # Both count from the first attempt on: a shorter one would end the retries of a long step.
    assert retry["backoffMaxDuration"] == f"{task.pod['activeDeadlineSeconds']}s"
    assert int(task.pod["activeDeadlineSeconds"]) == (7 if gpu else 1) * 24 * 3600


@pytest.mark.parametrize(("pipeline", "step"), ALL)
def test_nothing_is_taken_from_the_cache_that_an_image_without_digest_made(pipeline, step):
    assert read_compiled(pipeline)[1][step].parts["cachingOptions"] == {}


def make_pinned(name: str) -> Any:
    """Return a component of a name, in an image by digest."""

    def stand_in(
        recipe: str, step: str, output: Output[Dataset], workspace: str = "", shard: str = ""
    ) -> None:
        """Do nothing; it is never run."""

    stand_in.__name__ = name
    image = f"example.com/z1@sha256:{64 * '0'}"
    return dsl.component(stand_in, base_image=image, install_kfp_package=False)


def test_with_images_by_digest_the_cache_holds_what_does_not_look_at_the_world():
    names = [name for name in TABLE if name not in ("merge", "outcome")]

    def add(steps: Steps) -> None:
        for name in names:
            steps.do(make_pinned(name), name)

    _, tasks = read(compile_pipeline(on_cluster("trial", "A trial.", add)))
    cached = {name for name in names if tasks[name].parts["cachingOptions"].get("enableCache")}
    assert cached == {name for name in names if TABLE[name][4]}


def check_wiring(spec: dict[str, Any]) -> int:
    """Check that each group of tasks is given what its tasks take from it; return what they take.

    Kubeflow Pipelines looks for it only when the step is about to run.
    """
    taken = 0
    for inputs, tasks in find_dags(spec):
        for parts in tasks.values():
            component = spec["components"][parts["componentRef"]["name"]]
            declared = component.get("inputDefinitions", {}) if "dag" in component else {}
            for kind, key in (("parameters", "Parameter"), ("artifacts", "Artifact")):
                given = parts.get("inputs", {}).get(kind, {})
                for source in given.values():
                    if name := source.get(f"componentInput{key}"):
                        assert name in inputs.get(kind, {})
                        taken += 1
                item = parts.get("parameterIterator", {}).get("itemInput")
                assert set(declared.get(kind, {})) - {item} <= set(given)
    return taken


@pytest.mark.parametrize("name", STEPS)
def test_groups_of_steps_are_given_all_that_their_steps_take(name):
    spec, tasks = read_compiled(name)
    assert check_wiring(spec) > len(tasks)


@pytest.mark.parametrize("settings", [{"method": "sft"}, {"method": "dpo"}, {"mode": "full"}])
def test_retrainings_run_the_same_way(demo, settings):
    recipe = demo.model_dump(mode="json") | {"retrain": settings}
    recipe["publish"]["registry"] = "https://git.example.com/models.git"
    spec, tasks = read(compile_pipeline(find_retraining(Recipe.model_validate(recipe))))
    check_wiring(spec)
    assert tasks["added"].component == "added"
    for task in tasks.values():
        image, _, _, expected, _ = TABLE[task.component]
        assert (task.container["image"], environment(task.pod)) == (image, expected)


@pytest.mark.parametrize("name", STEPS)
def test_a_run_is_followed_by_the_step_that_tells_how_it_ended(name):
    spec, _ = read_compiled(name)
    tasks = spec["root"]["dag"]["tasks"]
    assert len(tasks) == 2
    outcome = tasks["outcome"]
    [others] = set(tasks) - {"outcome"}
    assert outcome["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    status = outcome["inputs"]["parameters"]["status"]
    assert status == {"taskFinalStatus": {"producerTask": others}}


def test_replies_are_sampled_in_as_many_shards_as_the_run_is_given():
    spec, _ = read_compiled("tops")
    loops = [
        (name, parts, tasks)
        for _, tasks in find_dags(spec)
        for name, parts in tasks.items()
        if "parameterIterator" in parts
    ]
    assert len(loops) == 3
    for name, parts, tasks in loops:
        items = parts["parameterIterator"]["items"]
        assert items == {"inputParameter": "pipelinechannel--shards"}
        [merged] = [
            task["inputs"]["artifacts"]["shards"]["taskOutputArtifact"]["producerTask"] == name
            for task in tasks.values()
            if name in task.get("dependentTasks", [])
        ]
        assert merged
        [(task, part)] = spec["components"][parts["componentRef"]["name"]]["dag"]["tasks"].items()
        assert task.startswith("generate")
        item = parts["parameterIterator"]["itemInput"]
        assert part["inputs"]["parameters"]["shard"] == {"componentInputParameter": item}


@pytest.mark.parametrize("pipeline", STEPS)
def test_whatever_a_training_has_to_know_of_the_reference_answers_is_at_hand(pipeline):
    """The recipe may name stop, tags or mask_wrong_rounds under any of them."""
    _, tasks = read_compiled(pipeline)
    trainings = [name for name, component in STEPS[pipeline].items() if component == "sft"]
    for name in trainings:
        given = tasks[name].parts["inputs"]["artifacts"]["problems"]["taskOutputArtifact"]
        assert given["producerTask"] == "problems"


def test_numbers_that_go_into_pods_are_text():
    """KFP fills in nothing from parameters of other types, and says nothing of it."""
    spec, _ = read_compiled("tops")
    declared = spec["root"]["inputDefinitions"]["parameters"]
    kinds = {name: parameter["parameterType"] for name, parameter in declared.items()}
    for pool in ("sampling", "training"):
        for name in ("accelerator", "accelerators", "cpu", "memory"):
            assert kinds[f"{pool}_{name}"] == "STRING"
            assert isinstance(declared[f"{pool}_{name}"]["defaultValue"], str)
        assert kinds[f"{pool}_node_selector"] == "STRUCT"
        assert kinds[f"{pool}_tolerations"] == "LIST"
