"""The section that says how a published model is served."""

from typing import Literal

from pydantic import Field, model_validator

from z1.recipe.section import Count, Prompt, Section

_NAME = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"


class Toleration(Section):
    """A taint of nodes that the serving pods put up with."""

    key: str | None = None
    """Key of the taint; any if absent, with operator Exists."""
    operator: Literal["Exists", "Equal"] = "Exists"
    """Whether the taint's value counts."""
    value: str | None = None
    """Value of the taint, with operator Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint; all of them if absent."""


class ServingPool(Section):
    """The nodes that serve, and what a pod takes of one."""

    accelerator: str = "nvidia.com/gpu"
    """The cluster's name of its accelerators."""
    accelerators: int = Field(1, ge=0)
    """Accelerators of a pod, which share one copy of the model; 0 serves on processors."""
    cpu: str = "8"
    """Processors of a pod."""
    memory: str = "64Gi"
    """Memory of a pod."""
    shared_memory: str = "8Gi"
    """Most of it that may be shared between a pod's processes."""
    node_selector: dict[str, str] = Field({})
    """Labels that a node must have."""
    tolerations: list[Toleration] = Field([])
    """Taints that a node may have."""


class SmokeProblem(Section):
    """A problem that a new version has to answer before it gets requests."""

    prompt: Prompt
    """The question."""
    answer: str
    """Its reference answer."""
    verifier: str = "math"
    """The verifier that checks the reply."""


class EffortBudgets(Section):
    """The most thinking tokens of each effort, unless a request says otherwise."""

    low: int = Field(256, ge=0)
    """Tokens of low effort."""
    medium: int = Field(1024, ge=0)
    """Tokens of medium effort."""
    high: int = Field(4096, ge=0)
    """Tokens of high effort."""


class Deployment(Section):
    """How a published model is served on KServe, and how a new version takes over."""

    service: str | None = Field(None, pattern=_NAME, max_length=40)
    """Name of the service; the published model's if absent."""
    namespace: str = "z1"
    """Where it is served."""
    image: str = "z1-vllm"
    """Image with vLLM and z1's plug-in; by digest where it matters."""
    service_account: str = "z1-serving"
    """The pods' service account, whose Secret opens S3."""
    priority_class: str | None = "z1-serving"
    """The pods' priority class; the cluster's default if null."""
    api_key_secret: str = "z1-api-key"
    """Secret with the key that requests must bring, under ``api-key``."""
    pool: ServingPool = ServingPool()
    budgets: EffortBudgets = EffortBudgets()
    arguments: list[str] = Field([])
    """Further arguments for vLLM, such as ``--max-model-len=16384``."""
    min_replicas: Count = 1
    """Pods there always are."""
    max_replicas: Count = 4
    """Most pods, where ``prometheus`` is given."""
    requests_per_replica: Count = 32
    """Requests running in a pod, beyond which KEDA starts another."""
    prometheus: str | None = Field(None, pattern="^https?://")
    """Address of the Prometheus that KEDA asks how many requests run; the number of pods is fixed
    if absent."""
    load_minutes: Count | None = None
    """Time that a pod may take to load the model; reckoned from the model's size if absent."""
    ready_minutes: Count = 60
    """Time that a new version may take to be ready, with its image and model fetched."""
    canary: list[int] = Field([10, 50])
    """Percentages of requests that go to a new version, step by step, before it gets them all."""
    step_seconds: int = Field(300, ge=0)
    """How long each step is watched."""
    smoke: list[SmokeProblem] = Field(
        [SmokeProblem(prompt="What is 7 * 8?", answer="56")], min_length=1
    )
    """Problems asked at every effort at each step: one at least must be answered right at each
    effort, and all within its budget."""
    url: str | None = Field(None, pattern="^https?://")
    """Where z1 reaches what it deploys: ``{service}`` stands for the Kubernetes service. Addresses
    inside the cluster if absent."""

    @model_validator(mode="after")
    def _agree(self) -> "Deployment":
        if self.max_replicas < self.min_replicas:
            raise ValueError(
                f"max_replicas, {self.max_replicas}, is below min_replicas, {self.min_replicas}"
            )
        rising = all(a < b for a, b in zip(self.canary, self.canary[1:], strict=False))
        if not rising or not all(0 < step < 100 for step in self.canary):
            raise ValueError(f"canary: give rising percentages between 1 and 99, not {self.canary}")
        return self

    def uses(self) -> tuple[str, ...]:
        return ("window",)
