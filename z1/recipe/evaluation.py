"""Sections that say how models are tested."""

from typing import Annotated

from pydantic import Field, model_validator

from z1.recipe.sampling import Endpoint, Sampling
from z1.recipe.section import Count, Section

OWN_MODELS = (
    *("base", "tag", "random", "tops", "iter-sft", "iter-dpo"),
    *("tops-stop", "tops-tags", "z1", "incumbent"),
)
"""Names of the models that a run makes, starts from or is to replace."""


class Judge(Section):
    """A model that finds the rounds of replies whose intermediate answers no verifier can check,
    such as those to code problems."""

    hub_or_folder = ("model",)

    model: str
    """The model, which a server answers for; of a served one the tokenizer's id or folder."""
    sampling: Sampling
    """How it is asked; usually ``engine: endpoint`` and temperature 0."""


class Baseline(Section):
    """Another model to test beside those of the run."""

    hub_or_folder = ("model",)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)
    """What tables call it."""
    model: str | None = None
    """Hugging Face id or folder of the model; with ``endpoint``, of its tokenizer."""
    endpoint: Endpoint | None = None
    """A server that answers for it, instead of what runs the other models."""

    @model_validator(mode="after")
    def _complete(self) -> "Baseline":
        if self.name in OWN_MODELS:
            raise ValueError(f"{self.name!r} is the name of a model of the run; choose another")
        if self.model is None and self.endpoint is None:
            raise ValueError("a baseline needs 'model', or 'endpoint' with the server to ask")
        if self.endpoint is None or self.model is not None:
            return self
        if self.endpoint.api == "completions" or self.endpoint.served_model is None:
            raise ValueError(
                "without 'model', whose tokenizer encodes the prompts, an endpoint needs "
                "'api: chat' and 'served_model'"
            )
        return self


class Gate(Section):
    """When the model that is published may take the place of the one in service."""

    margin: float = Field(0.02, ge=0, lt=1)
    """A candidate that thinks less may be less accurate by this share of the problems: the lower
    end of the difference's 95 % interval has to be no lower."""
    token_allowance: float = Field(1.0, gt=0)
    """A candidate that is more accurate may spend this many times the incumbent's thinking tokens:
    the upper end of the ratio's 95 % interval has to be no higher."""


class Evaluation(Section):
    """How every model is tested."""

    hub_or_folder = ("tokenizer",)

    sampling: Sampling
    """How replies are sampled; ``samples`` and ``temperature`` do not apply to the greedy pass."""
    seeds: list[int] = Field([1, 2, 3], min_length=1)
    """Sampling seeds; one reply to each problem for each."""
    greedy: bool = True
    """Also test at temperature 0."""
    resamples: Count = 10_000
    """Bootstrap resamples behind each interval."""
    budgets: list[Annotated[int, Field(ge=0)]] = Field([])
    """Thinking budgets in tokens: also test, at temperature 0, how right the model is within each
    of them. For TOPS this trains ``train.tops_stop`` and ``train.tops_tags`` as well."""
    tokenizer: str | None = None
    """Hugging Face id or folder of a tokenizer by which the report counts all models' thinking
    tokens; each model's own if absent. Thinking that a server hides is estimated by it."""
    rounds: bool = False
    """Also count the rounds that replies hold, and the wrong ones of them, by model and effort."""
    judge: Judge | None = None
    """Who finds the rounds where no verifier can; such replies are left out if absent."""
    reach: str | None = None
    """Name of a model, such as ``base``: also find, with budgets, at how many thinking tokens the
    trained model is first as right as that one."""
    baselines: list[Baseline] = Field([])
    """Other models to test on the same problems, and within the same budgets."""
    gate: Gate = Gate()

    @model_validator(mode="after")
    def _named_apart(self) -> "Evaluation":
        names = [baseline.name for baseline in self.baselines]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"baselines: two have the name {name!r}; name them apart")
        return self

    def uses(self) -> tuple[str, ...]:
        return ("window", "train") if self.budgets else ()
