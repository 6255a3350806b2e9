"""Keep what the evaluation asks out of the training, also in other wrappings.

A problem to train on is dropped if it shares a long run of words with an evaluation problem: 13 of
them, as in the contamination studies since GPT-3 (arXiv 2005.14165, appendix C). Words are runs of
letters or digits, whatever their case; a Chinese or Japanese character is a word, and all else
stands between words. Problems with fewer words share no such run: they are dropped if they are the
same but for case, spaces and dollar signs, since ``12 + 3`` and ``12 - 3`` have the same words.

Problems that are made from a template share its words and are different problems all the same. A
run of words that several evaluation problems and more than ten others have in common is taken for a
template, as in that study, and drops nothing.
"""

import re
from functools import reduce

import polars as pl

from z1.records import normalise_prompt

TEMPLATE_ABOVE = 10
"""A run of words in more training problems than this, and in two of the evaluation, is nobody's."""

_CHARACTERS = r"\p{Han}\p{Hiragana}\p{Katakana}"
_WORD = rf"[{_CHARACTERS}]|[\p{{L}}\p{{M}}\p{{N}}--[{_CHARACTERS}]]+"
_FACTOR = 0x9E3779B97F4A7C15  # odd, so that no word's bits are lost when it is moved along


def find_contaminated(training: pl.DataFrame, evaluation: pl.DataFrame, size: int) -> pl.DataFrame:
    """Return the training problems that ask what an evaluation problem asks, in their order.

    Both tables have ``question`` and ``where``; the result has a column more, ``against``: where
    the first evaluation problem stands that is too much like it. ``size`` is the number of words.
    """
    tests = evaluation.select("question", against="where").with_row_index("test")
    rows = training.with_row_index("_row")
    found = pl.concat([_same(rows, tests), _overlapping(rows, tests, size)])
    first = found.group_by("_row").agg(pl.col("test").min()).join(tests, on="test")
    return rows.join(first.select("_row", "against"), on="_row", maintain_order="left").drop("_row")


def _same(rows: pl.DataFrame, tests: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs (``_row``, ``test``) of the same text."""
    texts = [
        table.select(name, text=pl.Series(map(_squeeze, table["question"]), dtype=pl.String))
        for table, name in ((rows, "_row"), (tests, "test"))
    ]
    return texts[0].join(texts[1], on="text").select("_row", "test")


def _squeeze(question: str) -> str:
    return re.sub(r"[\s$]|[.?]+$", "", normalise_prompt(question))


def _overlapping(rows: pl.DataFrame, tests: pl.DataFrame, size: int) -> pl.DataFrame:
    """Return the pairs (``_row``, ``test``) that share a run of words which is no template."""
    sought = _runs(tests, "test", size)
    met = _runs(rows, "_row", size).join(sought.select(pl.col("run").unique()), on="run")
    asked = sought.group_by("run").agg(tests=pl.len())
    counts = met.group_by("run").agg(rows=pl.len()).join(asked, on="run")
    template = (pl.col("rows") > TEMPLATE_ABOVE) & (pl.col("tests") > 1)
    own = counts.filter(~template).select("run")
    return met.join(own, on="run").join(sought, on="run").select("_row", "test").unique()


def _runs(table: pl.DataFrame, name: str, size: int) -> pl.DataFrame:
    """Return a hash of every ``size`` words in a row of a problem, each once (``name``, ``run``).

    Of billions of pairs of different runs practically none has one hash of 64 bits.
    """
    words = (
        table.select(name, word=pl.col("question").str.to_lowercase().str.extract_all(_WORD))
        .explode("word")
        .drop_nulls("word")
        .select(name, word=pl.col("word").hash())
    )
    run = reduce(
        lambda run, place: run * pl.lit(_FACTOR, pl.UInt64) + pl.col("word").shift(-place),
        range(1, size),
        pl.col("word"),
    )
    whole = pl.col(name) == pl.col(name).shift(1 - size)
    return words.select(name, run=run, whole=whole).filter("whole").select(name, "run").unique()
