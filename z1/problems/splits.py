"""Which split a problem belongs to.

A problem's split depends on nothing but its prompt and the recipe's split seed: the prompt
is hashed to a point in [0, 1) and each split owns an interval. So splits cannot overlap, a
problem met twice lands in the same split, and problems added later never move an evaluation
problem into training.

A source may instead be put into one split whole. Where the same prompt then has a claim to
two splits, evaluation wins; between the others the first copy does.
"""

import hashlib

import polars as pl

from z1.recipe import Splits
from z1.records import SPLITS, normalise_prompt

SPLIT = pl.Enum(SPLITS)


def split_point(prompt: str, seed: int) -> float:
    """Hash a prompt to a point in [0, 1), the same on every machine and in every run."""
    digest = hashlib.sha256(f"{seed}\n{normalise_prompt(prompt)}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def divide(rows: pl.DataFrame, splits: Splits, seed: int) -> pl.DataFrame:
    """Keep one row for each distinct prompt and add its ``split``; null is outside all splits.

    ``rows`` has ``prompt``, and ``pinned``, the split that the row's source was put into whole
    or null. The order of the rows that are kept stays.
    """
    prompts = rows["prompt"]
    evaluation = pl.col("split").eq_missing(pl.lit("evaluation", SPLIT))
    return (
        rows.with_columns(
            _same=pl.Series([normalise_prompt(prompt) for prompt in prompts], dtype=pl.String),
            _point=pl.Series([split_point(prompt, seed) for prompt in prompts], dtype=pl.Float64),
        )
        .with_columns(split=pl.coalesce(pl.col("pinned").cast(SPLIT), _interval(splits)))
        .with_row_index("_order")
        .sort(evaluation, "_order", descending=[True, False])
        .unique("_same", keep="first", maintain_order=True)
        .sort("_order")
        .drop("_same", "_point", "_order")
    )


def _interval(splits: Splits) -> pl.Expr:
    """Return the split that owns ``_point``; the intervals follow each other as in ``SPLITS``."""
    owner = pl.lit(None, SPLIT)
    # Rounded, so that shares like 0.1 + 0.2 + 0.7 reach 1 and leave no sliver at the end.
    ends = [round(sum(getattr(splits, name) for name in SPLITS[: i + 1]), 9) for i in range(4)]
    for name, end in reversed(list(zip(SPLITS, ends, strict=True))):
        owner = pl.when(pl.col("_point") < end).then(pl.lit(name, SPLIT)).otherwise(owner)
    return owner
