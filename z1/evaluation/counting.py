"""Counting the tokens of all models with one tokenizer, as the TOPS paper (arXiv 2502.18080) does.

Models cut the same text into more or fewer tokens, so counts by each model's own tokenizer do not
compare. Where a server thinks in secret, the hidden part is taken to be as many times as long as
the visible one as the server's own counts say.
"""

from typing import Any

import polars as pl


def recount(replies: pl.DataFrame, tokenizer: Any) -> pl.DataFrame:
    """Return the replies with ``thinking_tokens`` counted by ``tokenizer``.

    Where a window closed, thinking is the text before the hint (``reasoning``); else the whole
    text. A count by the server that is not shown (``hidden_tokens``) is estimated.
    """
    thought = pl.col("text")
    if "reasoning" in replies.columns:
        thought = pl.coalesce("reasoning", "text")
    texts = replies.select(thought=thought)["thought"].fill_null("")
    distinct = texts.unique()
    coded = (
        tokenizer(distinct.to_list(), add_special_tokens=False)["input_ids"]
        if len(distinct)
        else []
    )
    lengths = dict(zip(distinct, map(len, coded), strict=True))
    shown = pl.Series("thinking_tokens", [lengths[text] for text in texts], pl.Int32)
    if "hidden_tokens" not in replies.columns:
        return replies.with_columns(shown)
    totals = [
        count_hidden(count, hidden, whole) if hidden else count
        for count, hidden, whole in zip(
            shown, replies["hidden_tokens"], replies["thinking_tokens"], strict=True
        )
    ]
    return replies.with_columns(pl.Series("thinking_tokens", totals, pl.Int32))


def count_hidden(shown: int, hidden: int, whole: int) -> int:
    """Estimate the tokens of a reply whose thinking is hidden.

    ``shown`` are the tokens of the visible text by the reference tokenizer; the server counts
    ``whole`` tokens, ``hidden`` of them thinking. Where all is hidden, its count is all there is.

    >>> count_hidden(100, hidden=900, whole=1200)
    300
    """
    return round(shown * hidden / (whole - hidden)) if whole > hidden and shown else hidden
