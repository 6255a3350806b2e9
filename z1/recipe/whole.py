"""The whole recipe: its sections, and what they have to agree on."""

import re
from collections.abc import Container
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from z1.recipe.deployment import Deployment
from z1.recipe.evaluation import Evaluation
from z1.recipe.problems import Problems
from z1.recipe.publishing import Publish
from z1.recipe.retraining import Retrain, RetrainingMode
from z1.recipe.sampling import BaseModelSection, EffortPrompts, Sampling, Teacher, ThinkingWindow
from z1.recipe.section import Section
from z1.recipe.selection import Filter, Selection, Verify
from z1.recipe.training import Training, Trainings

METHODS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "tops": (
        (
            "efforts",
            "generate",
            "iterate",
            "train.tag",
            "train.tops",
            "train.iter_sft",
            "train.iter_dpo",
        ),
        ("train.tops_stop", "train.tops_tags"),
    ),
    "z1": (("train.z1",), ()),
}
"""The keys that a method's recipe needs beside those that all have, and those that it may have."""
_ITERATED = ("tops", "iter-sft", "iter-dpo")
"""The models from which an iteration can go on: asked for no effort, trained for no budgets."""


def _check_address(address: str) -> str:
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+[a-z0-9](/[^/\\]+)*/?", address):
        raise ValueError("this is no address in S3; write s3://BUCKET/PREFIX")
    return address


class Recipe(Section):
    """One run of a method's pipeline."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    """Name of the run and of the models it makes."""
    method: Literal["tops", "z1"] = "tops"
    """``tops`` trains a tag model and then, on the shortest right replies, a thinking-optimal one;
    ``z1`` trains one model on a teacher's short and long replies."""
    seed: int = 0
    """Seed of everything that is sampled, selected or trained."""
    checkpoints: Annotated[str, AfterValidator(_check_address)] | None = None
    """An address such as ``s3://bucket/prefix``, under which unfinished steps keep what they have
    finished, so that a pod that starts with an empty folder goes on from there."""
    notify: str | None = Field(None, pattern="^https?://")
    """A web address that is told how a run on a cluster ended; no secret, since it stands here."""
    model: BaseModelSection
    efforts: EffortPrompts | None = None
    """TOPS: the system prompt that asks for each effort."""
    window: ThinkingWindow = ThinkingWindow()
    problems: Problems
    verify: Verify = Verify()
    teacher: Teacher
    filter: Filter = Filter()
    generate: Sampling | None = None
    """TOPS: how the tag model answers the training problems at each effort."""
    iterate: Sampling | None = None
    """TOPS: how the thinking-optimal model answers the iteration problems."""
    select: Selection = Selection()
    train: Trainings
    evaluate: Evaluation
    publish: Publish = Publish()
    retrain: Retrain = Retrain()
    deploy: Deployment | None = None
    """How a published model that passes the gate is served; it is not if absent."""

    @model_validator(mode="after")
    def _is_of_its_method(self) -> "Recipe":
        needed, _ = METHODS[self.method]
        others = [key for name in METHODS if name != self.method for key in sum(METHODS[name], ())]
        if missing := [key for key in needed if self._at(key) is None]:
            raise ValueError(f"method {self.method!r} also needs {', '.join(missing)}")
        if strange := [key for key in others if self._at(key) is not None]:
            raise ValueError(f"method {self.method!r} has no use for {', '.join(strange)}")
        kinds = {source.kind for source in self.problems.sources}
        if self.method == "tops" and "questions" in kinds:
            raise ValueError(
                "method 'tops' checks every reply, so a source of kind 'questions', which has no "
                "reference answers, is of no use to it"
            )
        model = self.publish.model
        if model is not None and (model == "z1") != (self.method == "z1"):
            raise ValueError(f"publish.model: method {self.method!r} trains no model {model!r}")
        if model in ("tops-stop", "tops-tags") and not self.evaluate.budgets:
            raise ValueError(f"publish.model: {model!r} is trained with evaluate.budgets only")
        if model in ("tops-stop", "tops-tags") and self.publish.registry:
            raise ValueError(
                f"publish.model: {model!r} is tested within budgets alone, so the gate could not "
                "hold it against the model in service; publish another"
            )
        if self.retrain.mode == "iteration" and (refusal := self.refuse_iteration()):
            raise ValueError(f"retrain.mode: {refusal}")
        if self.publish.registry and not self.name[-1].isalnum():
            raise ValueError(
                f"name: {self.name!r} cannot be published; let it end with a letter or digit"
            )
        return self

    @model_validator(mode="after")
    def _nodes_meet(self) -> "Recipe":
        for name in type(self.train).model_fields:
            training = getattr(self.train, name)
            if isinstance(training, Training) and training.nodes > 1 and not self.checkpoints:
                raise ValueError(
                    f"train.{name}.nodes: several nodes meet in S3; give checkpoints, such as "
                    "s3://bucket/prefix"
                )
        return self

    def samplings(self) -> dict[str, Sampling]:
        """Return how text is sampled, by the keys that say so."""
        found = {
            "teacher.sampling": self.teacher.sampling,
            "generate": self.generate,
            "iterate": self.iterate,
            "evaluate.sampling": self.evaluate.sampling,
        }
        return {key: sampling for key, sampling in found.items() if sampling}

    def candidate(self, steps: Container[str]) -> str:
        """Return the step whose model is published and may go into service.

        ``steps`` are those of the run: an iteration makes another model than the whole pipeline.
        """
        model = self.publish.model or self.method
        others = [step for step in ("iter-sft", "iter-dpo") if step in steps]
        return others[0] if others and model not in steps else model

    def refuse_iteration(self) -> str:
        """Return why the published model cannot be iterated, or nothing if it can."""
        model = self.publish.model or self.method
        if model in _ITERATED:
            return ""
        return (
            f"an iteration goes on from {', '.join(_ITERATED[:-1])} or {_ITERATED[-1]}, but this "
            f"recipe publishes {model}; its retraining is of mode full"
        )

    def retraining_mode(self) -> RetrainingMode:
        """Return how the recipe's model is retrained."""
        return self.retrain.mode or ("full" if self.refuse_iteration() else "iteration")

    def _at(self, key: str) -> Any:
        section, _, name = key.rpartition(".")
        return getattr(getattr(self, section) if section else self, name)

    @model_validator(mode="after")
    def _budgets_fit(self) -> "Recipe":
        if not self.evaluate.budgets:
            return self
        if self.method == "tops" and not (self.train.tops_stop and self.train.tops_tags):
            raise ValueError(
                "evaluate.budgets compares with two more models; say under train.tops_stop and "
                "train.tops_tags how they are trained"
            )
        largest, limit = max(self.evaluate.budgets), self.evaluate.sampling.max_tokens
        if largest + self.window.reserve >= limit:
            raise ValueError(
                f"evaluate.budgets: {largest} tokens of thinking, a hint and window.reserve, "
                f"{self.window.reserve} tokens for the answer, do not fit into "
                f"evaluate.sampling.max_tokens, {limit}"
            )
        return self
