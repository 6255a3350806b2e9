"""What every selection rule is given and gives back.

A rule sees the *pool*: the narrow columns of all replies, without their texts, so that it costs
the same however long the replies are. One row a reply:

    ``row``              number of the reply
    ``problem``          number of its problem, in order of the problems' ids
    ``effort``, ``sample``, ``thinking_tokens``, ``verdict``

It returns the *choice*: one row for each row to write, and one for each problem
(of a rule that takes several replies to a problem: each reply) left out.

    ``problem``
    ``reason``           why it is left out; null in a row to write
    rules for examples:  ``row``, and ``effort``, the effort prompt to train under or null
    rules for pairs:     ``row`` of the chosen reply, ``rejected`` row, ``rule``
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from z1.recipe import Selection

RIGHT = pl.col("verdict") == "right"
WRONG = pl.col("verdict") == "wrong"


@dataclass(frozen=True)
class Rule:
    """A way of choosing replies."""

    choose: Callable[[pl.LazyFrame, Selection, int], pl.LazyFrame]
    """From the pool, the recipe's section and the run's seed to the choice."""
    advice: str
    """What to change where nothing is kept; ``{min_gap}`` stands for the recipe's value."""
    pairs: bool = False
    """Whether it makes pairs; else examples."""
    unit: str = "problems"
    """What it takes or leaves, whole ``problems`` or single ``replies``."""


def first_of_each(replies: pl.LazyFrame, *keys: str, longest: bool = False) -> pl.LazyFrame:
    """Keep the shortest (or longest) reply for each combination of ``keys``.

    Of equally long ones the lower effort is kept, then the lower sample.
    """
    order = [pl.col("thinking_tokens"), pl.col("effort"), pl.col("sample")]
    return replies.sort(
        *keys, *order, descending=[False] * len(keys) + [longest, False, False]
    ).unique(keys, keep="first", maintain_order=True)
