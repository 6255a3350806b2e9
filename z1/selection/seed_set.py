"""The seed set of TOPS (arXiv 2502.18080): one problem, three lengths of thinking.

A problem is kept if it was answered right under all three efforts and the three replies differ
enough in length. The model obeys an effort badly, so the replies are ranked anew: the shortest
becomes the one for low effort, the longest the one for high. Of several right replies at one
effort, the one with the lowest sample number counts.
"""

import polars as pl

from z1.recipe import Selection
from z1.records import EFFORT, EFFORTS
from z1.selection.rule import RIGHT, Rule


def choose(pool: pl.LazyFrame, options: Selection, seed: int) -> pl.LazyFrame:
    """Choose three replies for each problem kept; every gap must exceed ``options.min_gap``."""
    ranked = rank_efforts(pool)
    # In order of length, the least of all pairwise gaps is one between neighbours.
    gaps = (
        ranked.with_columns(gap=pl.col("thinking_tokens").diff())
        .filter(pl.col("rank") != EFFORTS[0])  # its neighbour is of another problem
        .group_by("problem")
        .agg(pl.col("gap").min())
    )
    reason = (
        pl.when(pl.col("gap").is_null())
        .then(pl.lit("not right at every effort"))
        .when(pl.col("gap") <= options.min_gap)
        .then(pl.lit("gap too small"))
    )
    problems = (
        pool.select(pl.col("problem").unique())
        .join(gaps, on="problem", how="left")
        .select("problem", reason=reason)
    )
    kept = problems.filter(pl.col("reason").is_null()).join(
        ranked.select("problem", "row", effort="rank"), on="problem"
    )
    return pl.concat([kept, problems.filter(pl.col("reason").is_not_null())], how="diagonal")


def rank_efforts(pool: pl.LazyFrame) -> pl.LazyFrame:
    """Rank the right replies of each problem that is right at every effort, by length.

    Adds ``rank``: low for the shortest of the three, medium, and high for the longest. Equally long
    ones are ranked as they were asked for.
    """
    return (
        pool.filter(RIGHT, pl.col("effort").is_not_null())
        .sort("problem", "effort", "sample")
        .unique(["problem", "effort"], keep="first", maintain_order=True)
        .filter(pl.len().over("problem") == len(EFFORTS))
        .sort("problem", "thinking_tokens", "effort")
        # Three rows a problem from here on, so the place among them follows from the row number.
        .with_columns(
            rank=(pl.int_range(pl.len()) % len(EFFORTS)).replace_strict(
                dict(enumerate(EFFORTS)), return_dtype=EFFORT
            )
        )
    )


RULE = Rule(
    choose, advice="lower select.min_gap, now {min_gap}, or have more problems answered right"
)
