"""Accuracy, thinking tokens and distinct answers of verified replies, as Polars tables.

**The unit is the problem.** The replies to one problem (over seeds and samples) are averaged
first, and standard errors are those of a mean over problems. The spread of these problem means
holds both how much problems differ and what is left of the chance in sampling after averaging,
so the error covers new problems and new seeds alike. Counting every reply as independent would
make it too small by up to the square root of the number of seeds. It says nothing of a new
training run.
"""

import re
from typing import Any

import polars as pl

from z1.evaluation import MODELS
from z1.evaluation.answers import final_answer
from z1.records import VERIFIED
from z1.verifiers import HEAD_NEEDED

_COLUMNS: dict[str, Any] = {
    "model": pl.String,
    "temperature": pl.Float64,
    "seed": pl.Int64,
    **VERIFIED,
}
EVALUATED = pl.Schema(_COLUMNS)
"""A verdict with the model that replied, the temperature and the sampling seed (0 if greedy)."""

RIGHT = pl.col("verdict") == "right"
RIGHT_ALONE = RIGHT & ~pl.col("reason").fill_null("").str.starts_with(HEAD_NEEDED)
"""Of programs: also without the head that the problem gives, which BigCodeBench allows them."""

CELL = ("model", "effort", "temperature")
"""What is told apart in every table."""


def per_problem(replies: pl.DataFrame, problems: pl.DataFrame) -> pl.DataFrame:
    """Average the replies to each problem, by model, effort and temperature.

    ``replies`` has the columns EVALUATED, ``problems`` those of PROBLEM. Columns of the result:
    CELL, ``problem_id``, ``difficulty``, and of the problem's replies ``accuracy`` (share right),
    ``accuracy_alone`` (share RIGHT_ALONE),
    ``thinking_tokens`` (mean), ``cut`` (share cut at the token limit), ``distinct_answers``
    (different final answers; giving none counts as one answer) and ``errors`` (verdicts that
    failed).
    """
    texts = replies["text"].unique()
    answers = pl.DataFrame(
        {"text": texts, "answer": [final_answer(text) or "" for text in texts]},
        schema={"text": pl.String, "answer": pl.String},
    )
    difficulty = problems.select(problem_id="id", difficulty="difficulty")
    return (
        replies.join(answers, on="text", how="left")
        .join(difficulty, on="problem_id", how="left")
        .group_by(*CELL, "problem_id", "difficulty")
        .agg(
            accuracy=RIGHT.mean(),
            accuracy_alone=RIGHT_ALONE.mean(),
            thinking_tokens=pl.col("thinking_tokens").mean(),
            cut=(pl.col("finish_reason") == "length").mean(),
            distinct_answers=pl.col("answer").n_unique().cast(pl.Float64),
            errors=(pl.col("verdict") == "error").sum().cast(pl.Int64),
        )
        .sort(*CELL, "problem_id")
    )


def summarise(replies: pl.DataFrame, means: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the figures of every model, effort and temperature, ready for ``report.json``.

    ``means`` is what ``per_problem`` made of the replies.

    Each has ``name``, ``effort`` (null where none is asked for), ``temperature``, the counts
    ``problems``, ``seeds``, ``replies`` and ``errors``, the means over problems ``accuracy``,
    ``accuracy_alone``, ``thinking_tokens``, ``cut_share`` and ``distinct_answers``, the standard
    errors ``accuracy_stderr`` and ``thinking_tokens_stderr`` (null for a single problem),
    ``accuracy_by_seed``, and ``by_difficulty`` with the same means by difficulty label.
    """
    whole = means.group_by(CELL).agg(*_over_problems())
    counts = replies.group_by(CELL).agg(seeds=pl.col("seed").n_unique(), replies=pl.len())
    seeds = (
        replies.group_by(*CELL, "seed")
        .agg(accuracy=RIGHT.mean())
        .sort("seed")
        .group_by(CELL, maintain_order=True)
        .agg(accuracy_by_seed=pl.col("accuracy"))
    )
    by_difficulty = (
        means.filter(pl.col("difficulty").is_not_null())
        .group_by(*CELL, "difficulty")
        .agg(*_over_problems())
    )
    strata: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in by_difficulty.iter_rows(named=True):
        cell = tuple(row.pop(name) for name in CELL)
        strata.setdefault(cell, {})[row.pop("difficulty")] = row

    # Efforts may be null, and the null of one table is to meet the null of another.
    table = whole.join(counts, on=CELL, nulls_equal=True).join(seeds, on=CELL, nulls_equal=True)
    names = [*MODELS, *replies["model"].unique(maintain_order=True)]
    order = {name: place for place, name in enumerate(dict.fromkeys(names))}
    table = table.sort(
        pl.col("model").replace_strict(order),
        -pl.col("temperature"),
        "effort",
    )
    models = []
    for row in table.iter_rows(named=True):
        labels = strata.get(tuple(row[name] for name in CELL), {})
        by_label = {label: labels[label] for label in sorted(labels, key=natural_key)}
        models.append({"name": row.pop("model"), **row, "by_difficulty": by_label})
    return models


def natural_key(label: str) -> list[tuple[int, int, str]]:
    """Return the key that sorts labels as people do: ``2`` before ``10``, ``Level 2`` likewise."""
    pieces = re.findall(r"\d+|\D+", label)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p.casefold()) for p in pieces]


def _over_problems() -> list[pl.Expr]:
    def stderr(name: str) -> pl.Expr:
        return pl.col(name).std() / pl.len().sqrt()

    return [
        pl.len().alias("problems"),
        pl.col("accuracy").mean(),
        stderr("accuracy").alias("accuracy_stderr"),
        pl.col("accuracy_alone").mean(),
        pl.col("thinking_tokens").mean(),
        stderr("thinking_tokens").alias("thinking_tokens_stderr"),
        pl.col("cut").mean().alias("cut_share"),
        pl.col("distinct_answers").mean(),
        pl.col("errors").sum(),
    ]
