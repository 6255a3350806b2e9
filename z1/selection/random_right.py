"""The baseline of TOPS (arXiv 2502.18080): any right reply of each problem, whatever its length.

It is drawn by the run's seed. The draw of a problem depends on the set of problems, and not on
the order in which problems or replies stand in their files.
"""

import numpy as np
import polars as pl

from z1.recipe import Selection
from z1.selection.rule import RIGHT, Rule
from z1.selection.shortest import one_of_each


def choose(pool: pl.LazyFrame, options: Selection, seed: int) -> pl.LazyFrame:
    """Choose one right reply uniformly at random for each problem that has one."""
    problems = pool.select(pl.col("problem").unique().sort()).collect()
    draws = problems.with_columns(draw=np.random.default_rng(seed).random(len(problems))).lazy()
    right = pool.filter(RIGHT).sort("problem", "effort", "sample", nulls_last=True)
    drawn = (
        right.select(
            "problem",
            "row",
            place=pl.int_range(pl.len()).over("problem"),
            replies=pl.len().over("problem"),
        )
        .join(draws, on="problem")
        .filter(pl.col("place") == (pl.col("draw") * pl.col("replies")).floor())
        .select("problem", "row")
    )
    return one_of_each(pool, drawn)


RULE = Rule(choose, advice="have more problems answered right, or sample more replies to each")
