"""What a person sees of a plan, and of a plan beside what came of it."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from z1.planning.estimate import Load, add_up
from z1.planning.figures import Figures, find_nearest, find_size
from z1.planning.lever import Lever
from z1.recipe import Recipe

_WIDTH = 110  # of a table that goes to a file
_FAR = 10  # times as large or small, from where on a rate that is scaled means little


def print_plan(
    recipe: Recipe, figures: Figures, loads: Mapping[str, Load], lever: Lever | None
) -> None:
    """Print a row a step, the sum, where the figures come from, and the largest lever."""
    costs = any(load.cost for load in loads.values())
    hours = f"{figures.device}-hours"
    table = Table(title=f"{recipe.name}: the plan", show_footer=True)
    total = add_up(loads)
    table.add_column("step", "all")
    table.add_column("requests", number(total.requests), justify="right")
    table.add_column("tokens", number(total.tokens), justify="right")
    table.add_column(hours, number(total.hours), justify="right")
    if costs:
        table.add_column("cost", f"{number(total.cost)} $", justify="right")
    table.add_column("of")
    for name, load in loads.items():
        cells = [name, number(load.requests), number(load.tokens), number(load.hours)]
        table.add_row(*cells, *([f"{number(load.cost)} $"] if costs else []), load.what)
    console = _console()
    console.print(table)
    lines = [f"Largest lever: {say_lever(lever, loads, figures)}"] if lever else []
    for line in [*lines, f"By {figures.about}.", *find_remarks(recipe, figures)]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def say_lever(lever: Lever, loads: Mapping[str, Load], figures: Figures) -> str:
    """Return a lever as a sentence."""
    noun = "cost" if lever.before.cost else f"{figures.device}-hours"
    before, after = (
        f"{number(load.cost)} $" if lever.before.cost else number(load.hours)
        for load in (lever.before, lever.after)
    )
    return (
        f"{lever.step}: {loads[lever.step].what} take {lever.share:.0%} of the {noun}; with "
        f"{lever.change} the whole run takes {after} instead of {before}."
    )


def find_remarks(recipe: Recipe, figures: Figures) -> list[str]:
    """Return what in the recipe the figures do not go with."""
    remarks = []
    others = [
        f"{key.removesuffix('.sampling')} ({sampling.engine})"
        for key, sampling in recipe.samplings().items()
        if sampling.engine not in (figures.engine, "endpoint")
    ]
    if figures.engine is not None and others:
        remarks.append(
            f"The rates are those of {figures.engine}; other engines sample {', '.join(others)}."
        )
    size = find_size(figures, recipe.model.path)
    for name, rates in (("sampling", figures.sampling), ("training", figures.training)):
        near = find_nearest(rates, size)
        if max(near / size, size / near) > _FAR:
            remarks.append(
                f"The rate of {name} is that of a model of {near:g} billion parameters, scaled to "
                f"the {size:g} billion of this one: no more than a guess."
            )
    return remarks


def print_comparison(
    name: str, figures: Figures, planned: Mapping[str, Load], took: Mapping[str, Load]
) -> None:
    """Print what each step was to take and took; steps that have not run yet are left out."""
    table = Table(title=f"{name}: planned and actual")
    table.add_column("step")
    for heading in ("requests", "tokens", f"{figures.device}-hours"):
        table.add_column(f"{heading}\nplanned", justify="right")
        table.add_column("actual", justify="right")
        table.add_column("ratio", justify="right")
    for step in planned:
        if step in took:
            table.add_row(step, *_compare(planned[step], took[step]))
    ended = {step: planned[step] for step in planned if step in took}
    table.add_section()
    table.add_row("all", *_compare(add_up(ended), add_up(took)))
    console = _console()
    console.print(table)
    if missing := [step for step in planned if step not in took]:
        console.print(f"Not there yet: {', '.join(missing)}.", markup=False, highlight=False)
    if partly := [step for step in ended if took[step].partly]:
        line = (
            f"Without the hours of earlier attempts, after which they went on: {', '.join(partly)}."
        )
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _compare(planned: Load, took: Load) -> list[str]:
    """Return planned, actual and their ratio of requests, tokens and hours."""
    cells = []
    for before, after in zip(planned[:3], took[:3], strict=True):
        ratio = f"{after / before:.2f}" if before else "–"
        cells += [number(before), number(after), ratio]
    return cells


def number(value: float) -> str:
    """Return a number as people say it: in millions, thousands or with two digits that count."""
    if not value:
        return "–"
    if value >= 1e9:
        return f"{value / 1e9:.2f} G"
    if value >= 1e6:
        return f"{value / 1e6:.1f} M"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def to_json(loads: Mapping[str, Load]) -> dict[str, Any]:
    """Return each step's row as a mapping."""
    return {name: load._asdict() for name, load in loads.items()}


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)
