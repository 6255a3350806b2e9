"""Sections that say how models are fine-tuned."""

from typing import Literal

from pydantic import Field, model_validator

from z1.recipe.deployment import Toleration
from z1.recipe.section import Count, Positive, Section, Share


class Lora(Section):
    """Train low-rank adapters and merge them, instead of all weights."""

    rank: Count = 16
    """Rank of the adapters."""
    alpha: Positive = 32
    """Scale of the adapters, divided by the rank."""
    dropout: Share = 0.0
    """Dropout on the adapters' input."""


class Training(Section):
    """How a model is fine-tuned."""

    learning_rate: Positive
    """Peak of the schedule."""
    batch_size: Count
    """Sequences in an optimiser step, over all devices."""
    device_batch_size: Count = 8
    """Sequences side by side on a device; the rest of ``batch_size`` is accumulated."""
    epochs: Positive
    """Passes over the data."""
    max_length: Count
    """Most tokens of prompt and reply together; longer rows are dropped and counted."""
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    """Shape of the learning rate over the steps."""
    warmup_share: Share = 0.05
    """Share of the steps in which the learning rate rises."""
    weight_decay: float = Field(0.0, ge=0)
    """AdamW weight decay."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format; ``auto`` is bfloat16 on a GPU and float32 on a CPU."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass to save memory."""
    save_steps: Count = 100
    """Optimiser steps between checkpoints."""
    lora: Lora | None = None
    """Low-rank adapters; all weights if absent."""
    processes: Count | None = None
    """Processes on a node, between which the model is divided; one a GPU if absent."""
    nodes: Count = 1
    """Nodes of the cluster; more than one need ``checkpoints``, and a Kubeflow TrainJob on nodes as
    ``train.node`` has them."""

    @model_validator(mode="after")
    def _divide_batches(self) -> "Training":
        if self.batch_size % min(self.batch_size, self.device_batch_size):
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of device_batch_size "
                f"{self.device_batch_size}"
            )
        if self.nodes > 1:
            self.share_of(self.nodes * (self.processes or 1))
        return self

    def share_of(self, processes: int) -> int:
        """Return the sequences of an optimiser step that fall to each of some processes.

        Raises ValueError if they do not come out even.
        """
        if self.batch_size % processes:
            below = self.batch_size - self.batch_size % processes
            near = [str(size) for size in (below, below + processes) if size]
            raise ValueError(
                f"batch_size {self.batch_size} cannot be shared evenly by {processes} processes; "
                f"make it {' or '.join(near)}, or set 'processes' (or 'nodes') so that it can"
            )
        return self.batch_size // processes


class Stop(Section):
    """Training to answer when the thinking window closes."""

    share: Share = 0.5
    """Share of the examples that are cut at a random budget and go on with the window's hint and
    the reference answer, of which only the answer is learnt."""


class Tags(Section):
    """Marks around the thinking, for a baseline that thinks between tags."""

    opening: str = "<thinking>\n"
    """Stands at the end of the prompt, so that no budget is spent on it."""
    closing: str = Field("\n</thinking>\n", min_length=1)
    """Stands between the thinking and the answer, and is put there when the budget is spent."""


class SftTraining(Training):
    """How a model is fine-tuned on examples."""

    stop: Stop | None = None
    """Also train the model to answer where its thinking window closes."""
    tags: Tags | None = None
    """Train the same replies with tags around their thinking: all before the last paragraph or
    line, or all of a single line, which the reference answer then follows."""
    mask_wrong_rounds: bool = False
    """Leave the loss on rounds of a reply that end with a wrong answer out; the last round, with
    which the reply ends, is always learnt."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "SftTraining":
        if bool(self.stop) + bool(self.tags) + self.mask_wrong_rounds > 1:
            raise ValueError(
                "'stop', 'tags' and 'mask_wrong_rounds' are different models; give one of them"
            )
        return self

    def uses(self) -> tuple[str, ...]:
        return ("window",) if self.stop else ()


class DpoTraining(Training):
    """How a model is trained on preference pairs."""

    beta: Positive = 0.1
    """Strength of the pull towards the starting model; the paper does not state its value."""
    sft_weight: float = Field(0.0, ge=0)
    """Weight of the plain loss on the chosen reply, added to the preference loss."""


class TrainingNode(Section):
    """A node of a training on several, and what one takes of it."""

    image: str | None = None
    """Image of the nodes' pods; that of the TrainingRuntime ``z1-train`` if absent."""
    namespace: str | None = None
    """Where the TrainJob is; if absent the step's own namespace, or ``z1`` outside of a cluster."""
    accelerator: str = "nvidia.com/gpu"
    """The cluster's name of its accelerators."""
    accelerators: int = Field(8, ge=0)
    """Accelerators of a node; 0 trains on processors."""
    cpu: str = "16"
    """Processors of a node."""
    memory: str = "256Gi"
    """Memory of a node; the first holds the model with its optimiser state, 12 bytes a parameter,
    for each checkpoint."""
    node_selector: dict[str, str] = Field({})
    """Labels that a node must have."""
    tolerations: list[Toleration] = Field([])
    """Taints that a node may have."""


class Trainings(Section):
    """The trainings of the method's pipeline."""

    node: TrainingNode | None = None
    """The nodes of trainings with ``nodes``; as usual if absent."""

    tag: SftTraining | None = None
    """TOPS: base model to tag model, on the seed set."""
    tops: SftTraining | None = None
    """TOPS: base model to thinking-optimal model; the random baseline is trained the same way."""
    tops_stop: SftTraining | None = None
    """TOPS: the same with ``stop``, for the evaluation over budgets."""
    tops_tags: SftTraining | None = None
    """TOPS: the same with ``tags``, for the evaluation over budgets."""
    iter_sft: SftTraining | None = None
    """TOPS: thinking-optimal model, further trained on its own shortest right replies."""
    iter_dpo: DpoTraining | None = None
    """TOPS: thinking-optimal model, further trained on preference pairs among its own replies."""
    z1: SftTraining | None = None
    """Z1: base model to Z1 model, on the teacher's replies."""

    @model_validator(mode="after")
    def _as_named(self) -> "Trainings":
        if self.tops_stop and not self.tops_stop.stop:
            raise ValueError("'tops_stop' needs 'stop', such as {share: 0.5}")
        if self.tops_tags and not self.tops_tags.tags:
            raise ValueError("'tops_tags' needs 'tags', such as {} for tags of the usual wording")
        return self
