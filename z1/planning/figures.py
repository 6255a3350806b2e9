"""The figures behind a plan: how fast and how dear models are, how long replies get, what is kept.

Those that ship with z1 stand in ``figures/``: measured ones for the demos, and for larger models
estimates from the papers. A person's own, or those that ``z1 report --save`` has measured in a
smaller run, replace them key by key.
"""

import re
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError

from z1.errors import InputError
from z1.recipe import Recipe
from z1.recipe.reading import explain, read_yaml
from z1.recipe.section import Count, Positive, Section

Numbers = dict[str, Annotated[float, Field(ge=0)]]
Rates = Annotated[dict[Positive, Positive], Field(min_length=1)]
DEFAULT = "default"
"""Key of what holds for all that is not named."""


class Selected(Section):
    """What a step that selects keeps."""

    share: float = Field(ge=0)
    """Rows kept to each problem that was answered."""
    length: Positive = 1.0
    """Tokens of a row over those of the replies it is chosen from, both on average."""


class Figures(Section):
    """Everything a plan needs besides the recipe."""

    about: str
    """Where the figures come from."""
    engine: str | None = None
    """What sampled at these rates, so that a plan for another engine can say so."""
    device: str = "GPU"
    """What an hour is an hour of."""
    price: float = Field(0, ge=0)
    """Dollars an hour of one of them."""
    price_per_million: float = Field(0, ge=0)
    """Dollars a million tokens of a server that answers as ``endpoint``."""
    devices: dict[Literal["sampling", "training"], Count] = Field({"sampling": 1, "training": 1})
    """How many devices a step holds, so that a run's seconds can be turned into hours of theirs."""
    sampling: Rates
    """Tokens a second that one device samples, by the model's billions of parameters."""
    training: Rates
    """Likewise, tokens of prompt and reply that one device trains on."""
    start: float = Field(0, ge=0)
    """Seconds before a step's first token, in which it loads libraries and its model; of those that
    an evaluation loads after its first only that one."""
    sizes: dict[str, Positive] = Field({})
    """Billions of parameters of models whose names do not tell."""
    problems: dict[str, Annotated[int, Field(ge=0)]] = Field({})
    """Problems of the data sets and benchmarks whose ``count`` a recipe need not say."""
    tokens: Numbers
    """Tokens of a reply by a model that was asked for no effort, by the problem's kind: its
    source's ``difficulty``, or else the source's path or name."""
    prompts: Numbers = Field({DEFAULT: 0})
    """Tokens of a prompt, likewise; they count in training."""
    characters: Positive = 4
    """Characters of a prompt's token, where a run's prompts are measured."""
    efforts: dict[Literal["low", "medium", "high"], Positive] = Field(
        {"low": 1, "medium": 1, "high": 1}
    )
    """Tokens of a reply at an effort over those of one at none."""
    models: dict[str, Positive] = Field({})
    """In the evaluation: tokens of a model's reply over those above; 1 for others."""
    selected: dict[str, Selected] = Field({})
    """What each step that selects keeps, by the step's name."""

    def waiting(self, pool: Literal["sampling", "training"]) -> float:
        """Return the device-hours that pass before a step's first token."""
        return self.start * self.devices.get(pool, 1) / 3600


def find_figures(recipe: Recipe, given: Path | None = None) -> Figures:
    """Return the figures for a recipe, with those of a file in the place of z1's own.

    Raises InputError if the file is wrong.
    """
    name = f"tiny-{recipe.method}" if recipe.model.path == "tiny" else "papers"
    shelf = resources.files("z1.planning") / "figures"
    content: dict[str, Any] = yaml.safe_load((shelf / f"{name}.yaml").read_text(encoding="utf-8"))
    if given is None:
        return Figures.model_validate(content)
    own, mistakes = read_yaml(given)
    if not isinstance(own, dict):
        raise InputError(f"{given}: no figures for a plan: it holds no keys such as `price: 2`")
    for key, value in own.items():
        # Of rates one's own alone are near; of the rest each key stands for itself.
        both = isinstance(value, dict) and isinstance(content.get(key), dict)
        merged = both and key not in ("sampling", "training")
        content[key] = {**content[key], **value} if merged else value
    content["about"] = own.get("about", f"{given} and, where it is silent, {content['about']}")
    try:
        figures = Figures.model_validate(content)
    except ValidationError as error:
        mistakes += explain(error, f"there are {', '.join(Figures.model_fields)}")
    if mistakes:
        raise InputError(
            "\n".join([f"{given}: no figures for a plan", *(f"  {m}" for m in mistakes)])
        )
    return figures


def look_up(table: Numbers, *kinds: str | None) -> float:
    """Return what a table has for the first of some names that it knows, or its default."""
    return next((table[kind] for kind in kinds if kind in table), table.get(DEFAULT, 0.0))


def find_size(figures: Figures, *names: str | None) -> float:
    """Return a model's billions of parameters. Raises InputError if no name of its tells."""
    for name in filter(None, names):
        if name in figures.sizes:
            return figures.sizes[name]
    for name in filter(None, names):
        if found := re.search(r"(?<![\d.])(\d+(?:\.\d+)?)[bB](?![A-Za-z0-9])", Path(name).name):
            return float(found[1])
    shown = next(filter(None, names), "the model")
    raise InputError(
        f"{shown}: its name does not tell how large it is; give a file with --figures in which "
        f"stands sizes: {{{shown}: BILLIONS}}"
    )


def find_nearest(table: dict[float, float], size: float) -> float:
    """Return the size nearest to a model's of those whose rates are known."""
    return min(table, key=lambda known: max(known / size, size / known))


def find_rate(table: dict[float, float], size: float) -> float:
    """Return the tokens a second for a model of a size: those of the nearest, scaled."""
    near = find_nearest(table, size)
    return table[near] * near / size
