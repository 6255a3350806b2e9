"""Subsets of equally many tokens, as the Z1 paper (arXiv 2504.00810) compares them.

At one total of tokens, few long replies teach a model something else than many short ones. Replies
are put in an order, random, longest or shortest first, and taken until the next one would exceed
the total; without a total all are taken. A random order is drawn by the run's seed and does not
depend on the order in which replies stand in their files.
"""

import numpy as np
import polars as pl

from z1.recipe import Selection
from z1.records import EFFORT
from z1.selection.rule import Rule


def choose(pool: pl.LazyFrame, options: Selection, seed: int) -> pl.LazyFrame:
    """Choose replies up to ``options.tokens``, whatever their verdicts."""
    rows = pool.sort("problem", "effort", "sample", nulls_last=True).collect()
    tokens = pl.col("thinking_tokens").cast(pl.Int64)
    draws = np.random.default_rng(seed).random(len(rows))
    keys: dict[str, pl.Expr] = {
        "random": pl.lit(pl.Series(draws, dtype=pl.Float64)),
        "longest": -tokens,
        "shortest": tokens,
    }
    inside = pl.lit(True) if options.tokens is None else tokens.cum_sum() <= options.tokens
    return (
        rows.lazy()
        .sort(keys[options.order], maintain_order=True)
        .select(
            "problem",
            "row",
            effort=pl.lit(None, EFFORT),
            reason=pl.when(~inside).then(pl.lit("beyond select.tokens")),
        )
    )


RULE = Rule(
    choose, advice="raise select.tokens above the length of the first reply", unit="replies"
)
