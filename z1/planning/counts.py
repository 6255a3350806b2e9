"""How many problems a recipe has, by split and kind, as far as that is known before they are read.

Repeated prompts and contaminated problems are not known; they count as if they stayed.
"""

from pathlib import Path

from z1.errors import InputError
from z1.planning.figures import Figures
from z1.recipe import AnySource, Recipe
from z1.records import SPLITS

Kind = tuple[str | None, ...]
"""The names under which figures may know problems, the nearest first."""
Counts = dict[str, dict[Kind, float]]
"""Problems by split and kind."""


def count_problems(recipe: Recipe, figures: Figures) -> Counts:
    """Return the problems of each split.

    Raises InputError where a source does not say how many it has and the figures do not know.
    """
    splits = recipe.problems.splits
    counts: Counts = {split: {} for split in SPLITS}
    for number, source in enumerate(recipe.problems.sources):
        total = _count(source, figures, f"problems.sources.{number}")
        kind = (source.difficulty, name_source(source))
        into = [source.split] if source.split else [source.only] if source.only else SPLITS
        for split in into:
            share = 1.0 if source.split else getattr(splits, split)
            counts[split][kind] = counts[split].get(kind, 0.0) + total * share
    return {split: {kind: n for kind, n in kinds.items() if n} for split, kinds in counts.items()}


def name_source(source: AnySource) -> str:
    """Return the file's name, data set or benchmark by which figures know a source."""
    if source.kind == "procedural":
        return source.dataset
    if source.kind == "benchmark":
        return source.name
    return source.path.name if source.kind == "file" else source.path


def _count(source: AnySource, figures: Figures, key: str) -> int:
    name = name_source(source)
    # A file that is here says more than what is known of a data set of its name.
    there = Path(source.path) if source.kind != "procedural" and source.path else None
    known = _count_rows(there) if there else None
    if known is None:
        known = figures.problems.get(name)
    if known is None and source.count is None:
        raise InputError(
            f"{key}: how many problems {name} holds is not known before it is read; give the "
            f"source a count, or a file with --figures in which stands problems: {{{name}: COUNT}}"
        )
    return min(count for count in (known, source.count) if count is not None)


def _count_rows(path: Path) -> int | None:
    """Return the rows of a JSONL or Parquet file, or None if it is no such file.

    Raises InputError if it is broken.
    """
    if not path.is_file() or path.suffix not in (".jsonl", ".parquet"):
        return None
    import polars as pl

    try:
        if path.suffix == ".jsonl":
            with path.open("rb") as file:
                return sum(1 for line in file if line.strip())
        return int(pl.scan_parquet(path).select(pl.len()).collect().item())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
