"""Accuracy within thinking budgets, at temperature 0: the window and what it is compared with.

``window``
    The shifted window: at the budget the hint comes, and what follows it is verified. Thinking is
    what comes before the hint, or the whole of a reply that ended by itself, as in the Z1 paper.
``truncation``
    The same model, cut at the budget; what is there is verified. A greedy reply up to its budget is
    the same with and without a window, so these are the window's replies without what came after.
``tags``
    A model trained with tags around its thinking; at the budget comes the closing tag. Thinking is
    what comes before that tag, whoever wrote it. The tag itself is neither thinking nor answer,
    and the answer is not counted as thinking even where the model closed the tag by itself: the
    count is a few tokens kinder to this baseline than to the window.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from z1.engines import Engine, Reply, Request
from z1.evaluation.metrics import RIGHT, RIGHT_ALONE, natural_key
from z1.records import VERDICT, WINDOWED

CURVES = {
    ("tops", "window"): "Window",
    ("tops-stop", "window"): "Trained to stop",
    ("tops-tags", "tags"): "Tags",
    ("tops", "truncation"): "Truncation",
    ("z1", "window"): "Z1, window",
    ("z1", "truncation"): "Z1, truncation",
    ("base", "window"): "Base, window",
}
"""What is compared, model and method, in the order of the report, and how people read it."""

_COLUMNS: dict[str, Any] = {
    "model": pl.String,
    "method": pl.String,
    **WINDOWED,
    "verdict": VERDICT,
    "reason": pl.String,
}
BUDGETED = pl.Schema(_COLUMNS)
"""A verdict on a reply within a budget, with its model and method."""

_CELL = ("model", "method", "budget")


def list_curves(models: Iterable[str]) -> dict[tuple[str, str], str]:
    """Return the curves of some models as CURVES has them; of a baseline, window and truncation."""
    names = list(dict.fromkeys(models))
    known = {model for model, _ in CURVES}
    found = {curve: text for curve, text in CURVES.items() if curve[0] in names}
    for name in names:
        if name not in known:
            found |= {(name, "window"): name, (name, "truncation"): f"{name}, truncated"}
    return found


class TaggedEngine:
    """An engine whose model thinks between tags: where it closed the tag itself, what comes after
    is the answer, as it is where the window closed it."""

    def __init__(self, engine: Engine, tokenizer: Any, closing: str) -> None:
        self.engine = engine
        self.tokenizer = tokenizer
        self.closing = tuple(tokenizer(closing, add_special_tokens=False)["input_ids"])

    def sample(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        """Answer each request, in order."""
        return [self._divide(reply) for reply in self.engine.sample(requests, seed)]

    def _divide(self, reply: Reply) -> Reply:
        ids, width = reply.token_ids, len(self.closing)
        places = (i for i in range(len(ids)) if ids[i : i + width] == self.closing)
        place = None if reply.hint_tokens else next(places, None)
        if place is None:
            return reply
        thinking, answer = ids[:place], ids[place + width :]
        return reply._replace(
            text=self.tokenizer.decode(answer, skip_special_tokens=True),
            reasoning=self.tokenizer.decode(thinking, skip_special_tokens=True),
            thinking_tokens=len(thinking),
            answer_tokens=len(answer),
        )


def truncate(replies: pl.DataFrame) -> pl.DataFrame:
    """Return what a window's replies (WINDOWED) are without it: cut where the budget is spent."""
    closed = pl.col("hint_tokens") > 0
    return replies.with_columns(
        text=pl.when(closed).then("reasoning").otherwise("text"),
        finish_reason=pl.when(closed)
        .then(pl.lit("length", WINDOWED["finish_reason"]))
        .otherwise("finish_reason"),
        reasoning=pl.lit(None, pl.String),
        hint_tokens=pl.lit(0, pl.Int32),
        answer_tokens=pl.lit(0, pl.Int32),
    )


def summarise_budgets(replies: pl.DataFrame, problems: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the figures of every model, method and budget, ready for ``report.json``.

    ``replies`` has the columns BUDGETED, with one reply to each problem, and ``problems`` those of
    PROBLEM. Each row has ``model``, ``method``, ``budget`` in tokens, the count ``problems``, the
    means over problems ``accuracy``, ``accuracy_alone`` (``metrics.RIGHT_ALONE``),
    ``thinking_tokens``, ``answer_tokens``, ``hint_tokens`` and ``closed`` (share of the replies
    that spent their budget), the standard errors ``accuracy_stderr`` and
    ``thinking_tokens_stderr`` (null for a single problem), and ``by_difficulty`` with the same by
    difficulty label.
    """
    difficulty = problems.select(problem_id="id", difficulty="difficulty")
    cut = (pl.col("method") == "truncation") & (pl.col("finish_reason") == "length")
    replies = replies.join(difficulty, on="problem_id", how="left").with_columns(
        right=RIGHT.cast(pl.Float64),
        accuracy_alone=RIGHT_ALONE.cast(pl.Float64),
        closed=((pl.col("hint_tokens") > 0) | cut).cast(pl.Float64),
    )
    strata: dict[tuple[Any, ...], dict[str, Any]] = {}
    labelled = replies.filter(pl.col("difficulty").is_not_null())
    for row in labelled.group_by(*_CELL, "difficulty").agg(_means()).iter_rows(named=True):
        cell = tuple(row.pop(name) for name in _CELL)
        strata.setdefault(cell, {})[row.pop("difficulty")] = row
    models = replies["model"].unique(maintain_order=True)
    places = {curve: place for place, curve in enumerate(list_curves(models))}
    rows = replies.group_by(_CELL).agg(_means()).to_dicts()
    rows.sort(key=lambda row: (places[row["model"], row["method"]], row["budget"]))
    for row in rows:
        labels = strata.get(tuple(row[name] for name in _CELL), {})
        row["by_difficulty"] = {name: labels[name] for name in sorted(labels, key=natural_key)}
    return rows


def _means() -> list[pl.Expr]:
    def stderr(name: str) -> pl.Expr:
        return pl.col(name).std() / pl.len().sqrt()

    return [
        pl.len().alias("problems"),
        pl.col("right").mean().alias("accuracy"),
        stderr("right").alias("accuracy_stderr"),
        pl.col("thinking_tokens").mean(),
        stderr("thinking_tokens").alias("thinking_tokens_stderr"),
        pl.col("accuracy_alone", "answer_tokens", "hint_tokens", "closed").mean(),
    ]
