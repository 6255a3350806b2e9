"""How steps are run on a cluster: on which nodes, with what of them, and what they may know.

A pipeline is a function that adds its steps to ``Steps``. ``on_cluster`` makes of it what Kubeflow
Pipelines runs, ``here`` what this machine does: the same steps without what only a cluster has,
which is pods, sampling in shards and the report of how the run ended.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

from kfp import dsl, kubernetes

from z1_components.merge.component import merge
from z1_components.outcome.component import outcome

MODELS = "/models"
"""Where steps find the model cache; the ConfigMap z1-hub says whether it is all they have."""

_S3_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_S3_SERVER = ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION")
_GIT = ("GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0")
_HUB = ("HF_HUB_CACHE", "HF_HUB_OFFLINE")
_GPU_TAINT = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
_DAY, _WEEK = 24 * 3600, 7 * 24 * 3600


class Way(NamedTuple):
    """How a component's steps are run."""

    pool: Literal["cpu", "sampling", "training"]
    """The kind of node; what a step takes of the two with GPUs the pipeline's parameters say."""
    cpu: str = "1"
    """Processors, on the pool ``cpu``."""
    memory: str = "4Gi"
    """Likewise."""
    s3: bool = False
    """Whether it gets the keys to S3. Steps that only judge or choose replies do not."""
    git: bool = False
    """Whether it works on the registry: what Git needs for it."""
    hub: bool = False
    """Whether it loads models or data sets of the hub: its token and the model cache."""
    asks: bool = False
    """Whether it asks a served model: the key for that."""
    repeatable: bool = True
    """Whether the same recipe and inputs give the same output. What others may change in between,
    a registry or a service, is looked at each time; so is the model in service, which a KFP that
    goes by the names of artifacts would take for the one before."""


WAYS = {
    "problems": Way("cpu", hub=True),
    "incumbent": Way("cpu", cpu="2", s3=True, git=True, repeatable=False),
    "added": Way("cpu", s3=True, git=True, repeatable=False),
    "generate": Way("sampling", s3=True, hub=True),
    "merge": Way("cpu"),
    "verify": Way("cpu", cpu="8", memory="16Gi"),
    "filter": Way("cpu", cpu="8", memory="16Gi"),
    "select": Way("cpu", cpu="4", memory="16Gi"),
    "sft": Way("training", s3=True, hub=True),
    "dpo": Way("training", s3=True, hub=True),
    "evaluate": Way("sampling", s3=True, hub=True, repeatable=False),
    "publish": Way("cpu", cpu="4", s3=True, git=True, repeatable=False),
    "gate": Way("cpu", git=True, repeatable=False),
    "deploy": Way("cpu", s3=True, git=True, asks=True, repeatable=False),
    "outcome": Way("cpu", memory="1Gi", repeatable=False),
}
"""Of each component, by its name; the pods' label ``z1/step`` is that name too."""


class Pool(NamedTuple):
    """What a step takes of a node with GPUs; text, or the pipeline's parameters that hold it."""

    accelerator: Any
    accelerators: Any
    cpu: Any
    memory: Any
    node_selector: Any
    tolerations: Any


class Steps:
    """The steps of a pipeline under construction."""

    def __init__(
        self, run: Mapping[str, Any], pools: Mapping[str, Pool], shards: Any = None
    ) -> None:
        self.made: dict[str, Any] = {}
        """The output of each step, by its name with underscores."""
        self.cached = True
        """Whether a step's output may be taken from another run's cache."""
        self._run, self._pools, self._shards = run, pools, shards

    def do(self, component: Any, step: str, **arguments: Any) -> Any:
        """Add a step and return its output."""
        task = component(step=step, **self._run, **arguments)
        output = self._place(task, step).outputs["output"]
        self.made[step.replace("-", "_")] = output
        return output

    def sample(self, component: Any, step: str, **arguments: Any) -> Any:
        """Add a step that samples replies: on a cluster in shards, side by side."""
        if self._shards is None:
            return self.do(component, step, **arguments)
        with dsl.ParallelFor(self._shards) as shard:
            task = component(step=step, shard=shard, **self._run, **arguments)
            self._place(task, f"{step}-shard")
        return self.do(merge, step, shards=dsl.Collected(task.outputs["output"]))

    def report(self) -> Any:
        """Add the step that tells how the run ended, and return its task."""
        return self._place(outcome(recipe=self._run["recipe"]), "outcome")

    def _place(self, task: Any, step: str) -> Any:
        """Say how the step's pod is to be, if there will be one."""
        task.set_display_name(step)
        if not self._pools:
            return task
        component = task.component_spec.name
        way = WAYS[component]
        kubernetes.add_pod_label(task, "z1/step", component)
        kubernetes.set_security_context(task, run_as_non_root=True)
        # Of an image without digest nobody knows what code is in it.
        pinned = "@sha256:" in task.container_spec.image
        task.set_caching_options(self.cached and way.repeatable and pinned)
        if way.pool == "cpu":
            # Verifiers start as many workers as the limit has processors, not the node.
            task.set_cpu_request(way.cpu).set_cpu_limit(way.cpu)
            task.set_memory_request(way.memory).set_memory_limit(way.memory)
            task.set_retry(3, "30s", 2.0, f"{_DAY}s")
            kubernetes.set_timeout(task, _DAY)
        else:
            _take(task, self._pools[way.pool])
        _tell(task, way)
        return task


def _take(task: Any, pool: Pool) -> None:
    """Give a step its part of a node with GPUs, which may be taken from it at any time."""
    # The compiler brings into a loop or an exit handler only the parameters that it knows a step to
    # use, and does not look for them in what the step takes of a node.
    task.register_pipeline_channels([pool.accelerator, pool.accelerators, pool.cpu, pool.memory])
    task.set_accelerator_type(pool.accelerator).set_accelerator_limit(pool.accelerators)
    task.set_cpu_request(pool.cpu)
    task.set_memory_request(pool.memory).set_memory_limit(pool.memory)
    kubernetes.add_node_selector_json(task, pool.node_selector)
    kubernetes.add_toleration_json(task, pool.tolerations)
    kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", "Memory", "16Gi")  # NCCL's
    # The last number counts from the first attempt's start on, not from its end: with an hour,
    # which is the default, a step that is pushed aside after two would not be tried again.
    task.set_retry(10, "60s", 2.0, f"{_WEEK}s")
    kubernetes.set_timeout(task, _WEEK)


def _tell(task: Any, way: Way) -> None:
    """Give a step what it may know. What a cluster does not have is left out of its environment."""
    if way.s3:
        kubernetes.use_secret_as_env(task, "z1-s3", {k: k for k in _S3_KEYS}, optional=True)
        kubernetes.use_config_map_as_env(task, "z1-s3", {k: k for k in _S3_SERVER}, optional=True)
    if way.git:
        kubernetes.use_secret_as_env(task, "z1-git", {k: k for k in _GIT}, optional=True)
    if way.hub:
        kubernetes.use_secret_as_env(task, "z1-hub", {"HF_TOKEN": "HF_TOKEN"}, optional=True)
        kubernetes.use_config_map_as_env(task, "z1-hub", {k: k for k in _HUB}, optional=True)
        kubernetes.mount_pvc(task, "z1-model-cache", MODELS)
    if way.asks:
        key = {"api-key": "OPENAI_API_KEY"}
        kubernetes.use_secret_as_env(task, "z1-api-key", key, optional=True)


def on_cluster(name: str, about: str, add: Callable[[Steps], None]) -> Any:
    """Return the pipeline of a name that Kubeflow Pipelines runs."""

    # KFP fills numbers into pods from parameters that are text, and from no others.
    def pipeline(
        recipe: str,
        shards: list[str] = ["1/1"],  # noqa: B006 - kfp's way
        sampling_accelerator: str = "nvidia.com/gpu",
        sampling_accelerators: str = "1",
        sampling_cpu: str = "8",
        sampling_memory: str = "64Gi",
        sampling_node_selector: dict[str, str] = {},  # noqa: B006
        sampling_tolerations: list[dict[str, str]] = [_GPU_TAINT],  # noqa: B006
        training_accelerator: str = "nvidia.com/gpu",
        training_accelerators: str = "8",
        training_cpu: str = "32",
        training_memory: str = "512Gi",
        training_node_selector: dict[str, str] = {},  # noqa: B006
        training_tolerations: list[dict[str, str]] = [_GPU_TAINT],  # noqa: B006
    ) -> None:
        """.

        Args:
            recipe: The recipe's text.
            shards: Parts in which replies are sampled side by side, such as 1/2 and 2/2.
            sampling_accelerator: The cluster's name of the accelerators of the pool that samples.
            sampling_accelerators: How many of them a step takes; 0 for none.
            sampling_cpu: Processors of a step there.
            sampling_memory: Memory of a step there.
            sampling_node_selector: Labels of that pool's nodes.
            sampling_tolerations: Taints of that pool's nodes.
            training_accelerator: Likewise of the pool that trains.
            training_accelerators: How many of them a training takes.
            training_cpu: Processors of a training.
            training_memory: Memory of a training.
            training_node_selector: Labels of that pool's nodes.
            training_tolerations: Taints of that pool's nodes.
        """
        sampling = Pool(
            sampling_accelerator,
            sampling_accelerators,
            sampling_cpu,
            sampling_memory,
            sampling_node_selector,
            sampling_tolerations,
        )
        training = Pool(
            training_accelerator,
            training_accelerators,
            training_cpu,
            training_memory,
            training_node_selector,
            training_tolerations,
        )
        pools = {"sampling": sampling, "training": training}
        steps = Steps({"recipe": recipe}, pools, shards)
        with dsl.ExitHandler(steps.report(), "steps"):
            add(steps)

    # At each setting of a step kfp looks up the source of the whole stack, which within an import
    # takes it fifty times as long: a thread has a stack of its own.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(dsl.pipeline(name=name, description=about), pipeline).result()


def here(name: str, add: Callable[[Steps], None]) -> Any:
    """Return the same pipeline for this machine."""

    def pipeline(recipe: str, workspace: str = "") -> None:
        add(Steps({"recipe": recipe, "workspace": workspace}, {}))

    return dsl.pipeline(name=name)(pipeline)
