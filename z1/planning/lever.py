"""Which single choice of a recipe, halved, would save most."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from z1.planning.counts import Counts, count_problems
from z1.planning.estimate import Load, add_up, estimate
from z1.planning.figures import Figures
from z1.planning.steps import Step
from z1.recipe import Recipe


class Lever(NamedTuple):
    """A choice, and what halving it comes to."""

    step: str
    change: str
    before: Load
    """The whole run."""
    after: Load
    """The whole run with the change; later steps have less to do as well."""
    share: float
    """Of the run's cost, or of its hours where nothing costs: what the step takes."""


def find_lever(recipe: Recipe, figures: Figures, steps: Sequence[Step]) -> Lever | None:
    """Return the change that saves most, or None where nothing costs or takes time."""
    counts = count_problems(recipe, figures)
    loads = estimate(recipe, figures, steps, counts)
    before = add_up(loads)
    if not _spent(before):
        return None
    found = []
    for step, change, other, fewer in _changes(recipe, counts, steps):
        after = add_up(estimate(other, figures, steps, fewer))
        found.append(Lever(step, change, before, after, _spent(loads[step]) / _spent(before)))
    # Of changes that come to the same, the one at the dearer step.
    return min(found, key=lambda lever: (round(_spent(lever.after), 6), -lever.share))


def _spent(load: Load) -> float:
    """Return dollars where there are some, or else hours."""
    return load.cost or load.hours


def _changes(
    recipe: Recipe, counts: Counts, steps: Sequence[Step]
) -> Iterator[tuple[str, str, Recipe, Counts]]:
    """Yield each step's name, what is halved there, and the recipe and problems that it gives."""
    for step in steps:
        if step.stage == "generate":
            split = step.options["split"]
            fewer = {**counts, split: {kind: n / 2 for kind, n in counts[split].items()}}
            section = getattr(recipe, step.section)
            if getattr(section, "samples", 1) > 1:
                half = _set(recipe, f"{step.section}.samples", section.samples // 2)
                yield step.name, "half the samples", half, counts
            else:
                yield step.name, "half the problems", recipe, fewer
        elif step.stage in ("sft", "dpo"):
            epochs = getattr(recipe.train, step.section.partition(".")[2]).epochs
            yield (
                step.name,
                "half the epochs",
                _set(recipe, f"{step.section}.epochs", epochs / 2),
                counts,
            )
        elif step.stage == "evaluate":
            fewer = {**counts, "evaluation": {k: n / 2 for k, n in counts["evaluation"].items()}}
            yield step.name, "half the evaluation problems", recipe, fewer
            if len(seeds := recipe.evaluate.seeds) > 1 and recipe.evaluate.sampling.temperature:
                half = _set(recipe, "evaluate.seeds", seeds[: len(seeds) // 2])
                yield step.name, "half the seeds", half, counts


def _set(section: Any, key: str, value: Any) -> Any:
    """Return a section with another value under a dotted key; nothing is checked anew."""
    name, _, rest = key.partition(".")
    inner = _set(getattr(section, name), rest, value) if rest else value
    return section.model_copy(update={name: inner})
