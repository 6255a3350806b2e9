"""What a run took, from what its steps have left behind."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import polars as pl

from z1.errors import InputError
from z1.planning.estimate import DO, Load
from z1.planning.figures import Figures
from z1.planning.steps import Step
from z1.recipe import Recipe
from z1.records import EXAMPLE, PAIR, TRAJECTORY, scan
from z1.stages import RECORD, find_section, read_record

REPLY = pl.Schema({name: TRAJECTORY[name] for name in ("problem_id", "effort", "thinking_tokens")})
"""What is read of a reply."""
_NO_DEVICE = ("scripted", "file", "endpoint")


def measure_run(
    recipe: Recipe, figures: Figures, steps: Sequence[Step], folder: Path
) -> dict[str, Load]:
    """Return what each step took that a run's folder holds, as ``estimate`` says what it will.

    Hours are those of the attempt that finished, so that one that was cut off and went on took
    more; the replies that an evaluation took over from an earlier one count as its own. Raises
    InputError if what a step wrote is broken.
    """
    found = {}
    for step in steps:
        if step.stage not in DO or not (folder / step.name / RECORD).is_file():
            continue
        seconds, partly = _read_seconds(folder / step.name)
        try:
            requests, tokens = _count(recipe, figures, step, folder)
        except pl.exceptions.PolarsError as error:
            raise InputError(
                f"{folder / step.name}: it, or what it was made of, is broken: {error}; remove the "
                "folder that is, and the run makes it again"
            ) from error
        pool: Literal["sampling", "training"]
        pool = "training" if step.stage in ("sft", "dpo") else "sampling"
        section = find_section(recipe, step.section)
        hours = cost = 0.0
        if getattr(section, "engine", None) == "endpoint":
            cost = tokens / 1e6 * figures.price_per_million
        elif tokens and getattr(section, "engine", None) not in _NO_DEVICE:
            hours = seconds / 3600 * figures.devices.get(pool, 1)
            cost = hours * figures.price
        found[step.name] = Load(requests, tokens, hours, cost, partly=partly and hours > 0)
    return found


def _read_seconds(output: Path) -> tuple[float, bool]:
    """Return how long a step took, and whether others had done some of its work before.

    Raises InputError if its record does not say.
    """
    record = read_record(output)
    # Shards that were put together took what each of them did.
    records = record["parents"] if record.get("stage") == "merge" else [record]
    try:
        seconds = sum(float(each["seconds"]) for each in records)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{output / RECORD}: does not say how long the step took; remove the folder {output}, "
            "and the run makes it again"
        ) from error
    return seconds, any(each.get("resumed", False) for each in records)


def _count(recipe: Recipe, figures: Figures, step: Step, folder: Path) -> tuple[float, float]:
    """Return the requests and tokens of a step."""
    if step.stage == "generate":
        return count(scan(folder / step.name, REPLY), "thinking_tokens")
    if step.stage in ("verify", "filter", "select"):
        return count(scan(folder / step.inputs["replies"], REPLY))
    if step.stage == "evaluate":
        cells = [
            count(pl.scan_parquet(path), *_written(path.parent))
            for path in sorted((folder / step.name / "replies").glob("*/*.parquet"))
        ]
        return sum(cell[0] for cell in cells), sum(cell[1] for cell in cells)
    rows, columns = _trained_on(step, folder)
    texts = len(columns)
    prompts = rows.select(pl.col("prompt").str.len_chars().sum()).collect().item()
    number, tokens = count(rows, *columns)
    epochs = find_section(recipe, step.section).epochs
    return number * epochs, (tokens + texts * prompts / figures.characters) * epochs


def _trained_on(step: Step, folder: Path) -> tuple[pl.LazyFrame, tuple[str, ...]]:
    """Return the rows that a training learns from, and which columns count their tokens."""
    if step.stage == "dpo":
        return scan(folder / step.inputs["pairs"], PAIR), ("chosen_tokens", "rejected_tokens")
    return scan(folder / step.inputs["examples"], EXAMPLE), ("thinking_tokens",)


def _written(cell: Path) -> tuple[str, ...]:
    within_budgets = cell.name.endswith("-budgets")
    return ("thinking_tokens", "answer_tokens") if within_budgets else ("thinking_tokens",)


def count(rows: pl.LazyFrame, *columns: str) -> tuple[int, float]:
    """Return the number of rows and the sum over all of some columns."""
    sums = [pl.col(column).cast(pl.Int64).sum() for column in columns]
    number, *found = rows.select(pl.len(), *sums).collect().row(0)
    return number, float(sum(found))
