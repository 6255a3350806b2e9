"""The preference pairs of TOPS's iteration (arXiv 2502.18080).

The shortest right reply of a problem is preferred to its longest wrong one, against thinking in
vain; and, where a wrong reply is shorter than the shortest right one, also to the shortest
wrong one, against thinking too little. Where those two wrong replies are one and the same, so
are the pairs, and the first alone is written.
"""

import polars as pl

from z1.recipe import Selection
from z1.records import PAIR
from z1.selection.rule import RIGHT, WRONG, Rule, first_of_each

_COLUMNS = ("problem", "row", "thinking_tokens")


def choose(pool: pl.LazyFrame, options: Selection, seed: int) -> pl.LazyFrame:
    """Choose one pair or two for each problem that has a right and a wrong reply."""
    right = first_of_each(pool.filter(RIGHT), "problem").select(_COLUMNS)
    wrong = pool.filter(WRONG)
    longest = first_of_each(wrong, "problem", longest=True).select(_COLUMNS)
    shortest = first_of_each(wrong, "problem").select(_COLUMNS)
    problems = (
        pool.select(pl.col("problem").unique())
        .join(right, on="problem", how="left")
        .join(longest, on="problem", how="left", suffix="_longest")
        .join(shortest, on="problem", how="left", suffix="_shortest")
        .with_columns(
            reason=pl.when(pl.col("row").is_null())
            .then(pl.lit("no right reply"))
            .when(pl.col("row_longest").is_null())
            .then(pl.lit("no wrong reply"))
        )
    )
    kept = problems.filter(pl.col("reason").is_null())
    too_little = kept.filter(
        pl.col("thinking_tokens_shortest") < pl.col("thinking_tokens"),
        pl.col("row_shortest") != pl.col("row_longest"),
    )
    return pl.concat(
        [
            _pairs(kept, "row_longest", "longest-wrong"),
            _pairs(too_little, "row_shortest", "shortest-wrong"),
            problems.filter(pl.col("reason").is_not_null()).select("problem", "reason"),
        ],
        how="diagonal",
    )


def _pairs(problems: pl.LazyFrame, rejected: str, rule: str) -> pl.LazyFrame:
    return problems.select(
        "problem", "reason", "row", rejected=rejected, rule=pl.lit(rule, PAIR["rule"])
    )


RULE = Rule(
    choose,
    advice="pairs need a right and a wrong reply to one problem: sample more replies to each, "
    "at a higher temperature, or add harder problems",
    pairs=True,
)
