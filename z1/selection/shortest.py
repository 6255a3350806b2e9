"""The thinking-optimal reply of TOPS (arXiv 2502.18080): the shortest right one of each problem.

It is trained on without an effort prompt. Of equally short replies the one at the lower effort
is taken, then the one with the lower sample number.
"""

import polars as pl

from z1.recipe import Selection
from z1.records import EFFORT
from z1.selection.rule import RIGHT, Rule, first_of_each


def choose(pool: pl.LazyFrame, options: Selection, seed: int) -> pl.LazyFrame:
    """Choose one reply for each problem that has a right one."""
    shortest = first_of_each(pool.filter(RIGHT), "problem").select("problem", "row")
    return one_of_each(pool, shortest)


def one_of_each(pool: pl.LazyFrame, chosen: pl.LazyFrame) -> pl.LazyFrame:
    """Make a choice of at most one right reply (``problem``, ``row``) for each problem."""
    return (
        pool.select(pl.col("problem").unique())
        .join(chosen, on="problem", how="left")
        .with_columns(
            effort=pl.lit(None, EFFORT),
            reason=pl.when(pl.col("row").is_null()).then(pl.lit("no right reply")),
        )
    )


RULE = Rule(choose, advice="have more problems answered right, or sample more replies to each")
