"""The figures to plan the next run by, learnt from one that has ended, of whatever size."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from z1.planning.actual import REPLY, count
from z1.planning.estimate import REFERENCE, Load
from z1.planning.figures import DEFAULT, Figures, find_size
from z1.planning.steps import Step
from z1.recipe import Recipe, Teacher
from z1.records import EXAMPLE, PAIR, PROBLEM, SPLITS, scan
from z1.stages import find_section

_MEAN = pl.col("thinking_tokens").mean()


def learn_figures(
    recipe: Recipe,
    figures: Figures,
    steps: Sequence[Step],
    folder: Path,
    took: Mapping[str, Load],
    about: str,
) -> Figures:
    """Return the figures with all replaced that a run's folder tells; ``about`` names the run.

    ``took`` is what ``measure_run`` returned by the same figures; steps of it whose hours are those
    of a last attempt alone tell nothing of speed. Raises InputError if the folder lacks the
    problems.
    """
    made = [step for step in steps if step.name in took]
    timed = [step for step in made if not took[step.name].partly]
    figures = learn_start(figures, timed, took)
    rates = {
        "sampling": _learn_sampling(recipe, figures, timed, took),
        "training": _learn_training(recipe, figures, timed, took),
    }
    if unmeasured := [name for name, found in rates.items() if not found]:
        about += f"; the rates of {' and '.join(unmeasured)}, not measured in it: {figures.about}"
    problems = _read_problems(recipe, folder)
    cells = {
        path.name: scan(path, REPLY).select("problem_id", "thinking_tokens").collect()
        for path in sorted((folder / "evaluate" / "replies").glob("*-s*"))
        if not path.name.endswith("-budgets")
    }
    tokens = _learn_tokens(recipe, made, folder, problems, cells)
    scales = _compare(problems, cells, tokens)
    efforts = {
        name: scales.pop(f"tag-{name}") for name in figures.efforts if f"tag-{name}" in scales
    }
    prompts = problems.group_by("kind").agg(pl.col("length").mean() / figures.characters)
    learnt = {
        "about": about,
        "start": figures.start,
        **{name: found for name, found in rates.items() if found},
        "tokens": figures.tokens | tokens,
        "prompts": figures.prompts | dict(prompts.sort("kind").iter_rows()),
        "efforts": figures.efforts | efforts,
        "models": figures.models | {name.removesuffix("-none"): x for name, x in scales.items()},
        "selected": figures.selected | _learn_selected(made, folder),
    }
    return Figures.model_validate({**figures.model_dump(), **_short(learnt)})


def _read_problems(recipe: Recipe, folder: Path) -> pl.DataFrame:
    """Return each problem's ``id``, ``kind`` as figures name it, and its prompt's ``length``."""
    labels = [source.difficulty for source in recipe.problems.sources if source.difficulty]
    tables = [scan(folder / "problems" / f"{split}.parquet", PROBLEM) for split in SPLITS]
    named = pl.when(pl.col("difficulty").is_in(labels)).then("difficulty").otherwise("source")
    return (
        pl.concat(tables)
        .select("id", kind=named, length=pl.col("prompt").str.len_chars())
        .collect()
    )


def _learn_tokens(
    recipe: Recipe,
    steps: Sequence[Step],
    folder: Path,
    problems: pl.DataFrame,
    cells: Mapping[str, pl.DataFrame],
) -> dict[str, float]:
    """Return the tokens of a reply at no effort by kind: sampled, or else of the evaluation."""
    plain = [
        scan(folder / step.name, REPLY).select("problem_id", "thinking_tokens").collect()
        for step in steps
        if step.stage == "generate" and step.options["efforts"] == "none"
    ]
    plain += [frame for name, frame in cells.items() if name.startswith(f"{recipe.method}-none-")]
    found: dict[str, float] = {}
    plain = [replies for replies in plain if replies.height]
    for replies in reversed(plain):  # the first comes last and has the last word
        table = replies.join(problems, left_on="problem_id", right_on="id")
        found |= dict(table.group_by("kind").agg(_MEAN).sort("kind").iter_rows())
    if plain:
        found[DEFAULT] = float(plain[0]["thinking_tokens"].mean())  # type: ignore[arg-type]
    return found


def _compare(
    problems: pl.DataFrame, cells: Mapping[str, pl.DataFrame], tokens: Mapping[str, float]
) -> dict[str, float]:
    """Return the tokens of each MODEL-EFFORT of the evaluation over what the kinds let expect."""
    sums: dict[str, list[float]] = {}
    for name, replies in cells.items():
        table = replies.join(problems, left_on="problem_id", right_on="id")
        expected = table["kind"].replace_strict(tokens, default=tokens.get(DEFAULT, 1.0))
        both = sums.setdefault(name.rsplit("-", 2)[0], [0.0, 0.0])
        both[0] += float(table["thinking_tokens"].sum())
        both[1] += float(expected.cast(pl.Float64).sum())
    return {name: actual / expected for name, (actual, expected) in sums.items() if actual}


def _learn_selected(steps: Sequence[Step], folder: Path) -> dict[str, Any]:
    found = {}
    for step in steps:
        if step.stage not in ("filter", "select"):
            continue
        given = scan(folder / step.inputs["replies"], REPLY)
        answered, mean = given.select(pl.col("problem_id").n_unique(), _MEAN).collect().row(0)
        pairs, schema = step.options.get("rule") == "pairs", EXAMPLE
        columns: tuple[str, ...] = ("thinking_tokens",)
        if pairs:
            schema, columns = PAIR, ("chosen_tokens", "rejected_tokens")
        elif step.stage == "filter":
            schema = REPLY
        rows, tokens = count(scan(folder / step.name, schema), *columns)
        length = tokens / rows / mean if tokens else 1.0  # nothing may have been kept
        found[step.name] = {"share": rows / max(answered, 1), "length": length}
    return found


def learn_start(figures: Figures, steps: Sequence[Step], took: Mapping[str, Load]) -> Figures:
    """Return figures with the seconds that a training of no tokens takes, if three or more tell.

    They are where a straight line through the trainings begins: that of Theil and Sen, which one
    that other work on the machine held up leaves nearly alone.
    """
    devices = figures.devices.get("training", 1)
    points = [
        (took[step.name].tokens * _weight(step), took[step.name].hours * 3600 / devices)
        for step in steps
        if step.stage in ("sft", "dpo")
    ]
    slopes = [(b - d) / (a - c) for (a, b), (c, d) in combinations(points, 2) if a != c]
    if len(points) < 3 or not slopes or (slope := median(slopes)) <= 0:
        return figures
    start = median(seconds - slope * tokens for tokens, seconds in points)
    return figures.model_copy(update={"start": max(start, 0.0)})


def _learn_sampling(
    recipe: Recipe, figures: Figures, steps: Sequence[Step], took: Mapping[str, Load]
) -> dict[float, float]:
    """Return the tokens a second of each size of model that a step sampled with alone."""
    rates = _Rates(figures.waiting("sampling"))
    for step in steps:
        if step.stage not in ("generate", "evaluate") or not took[step.name].hours:
            continue
        section = find_section(recipe, step.section)
        if step.stage == "evaluate" and section.baselines:
            continue
        name = section.model if isinstance(section, Teacher) else recipe.model.path
        rates.add(find_size(figures, name), took[step.name])
    return rates.find()


def _learn_training(
    recipe: Recipe, figures: Figures, steps: Sequence[Step], took: Mapping[str, Load]
) -> dict[float, float]:
    """Likewise of training, DPO's as if it were SFT."""
    rates = _Rates(figures.waiting("training"))
    for step in steps:
        if step.stage in ("sft", "dpo"):
            rates.add(find_size(figures, recipe.model.path), took[step.name], _weight(step))
    return rates.find()


def _weight(step: Step) -> float:
    """Return what a token costs in a training, where it costs 1 in SFT."""
    return REFERENCE if step.stage == "dpo" else 1


class _Rates:
    """Tokens a second by the model's size, over several steps."""

    def __init__(self, waiting: float) -> None:
        self.waiting = waiting
        self.spent: dict[float, list[float]] = {}

    def add(self, size: float, load: Load, weight: float = 1) -> None:
        both = self.spent.setdefault(size, [0.0, 0.0])
        both[0] += load.tokens * weight
        # A step that took no longer than a start has been quick all the same.
        both[1] += max(load.hours - self.waiting, load.hours / 10)

    def find(self) -> dict[float, float]:
        return {
            size: tokens / hours / 3600 for size, (tokens, hours) in self.spent.items() if hours
        }


def _short(value: Any) -> Any:
    """Return figures with no more digits than anybody reads."""
    if isinstance(value, dict):
        return {key: _short(each) for key, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
