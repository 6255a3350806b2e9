"""TOPS against the random-right baseline, and whether the figures show what the method promises."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from z1.evaluation.bootstrap import Interval, difference, ratio
from z1.evaluation.metrics import natural_key
from z1.records import EFFORTS

MODEL, BASELINE = "tops", "random"
MOST_TOKEN_RATIO = 0.65
"""The most of the baseline's thinking tokens that TOPS may spend."""
LEAST_DIFFERENCE = -0.02
"""The lower end of the accuracy difference's interval has to lie above this."""


def compare(
    means: pl.DataFrame,
    temperature: float,
    resamples: int,
    seed: int,
    selected: Mapping[str, float],
) -> dict[str, Any] | None:
    """Compare TOPS with the baseline on the problems both answered; None if either is missing.

    ``means`` is the table of ``metrics.per_problem``; ``selected`` the mean tokens of the rows that
    each of the two was trained on, as far as they are known. The result has ``model``,
    ``against``, ``temperature``, what ``pair`` finds, and ``selected_tokens``, the two means and
    their ``ratio``.
    """
    found = pair(means, (MODEL, BASELINE), temperature, resamples, seed)
    if found is None:
        return None
    known = {name: selected[name] for name in (MODEL, BASELINE) if selected.get(name)}
    if len(known) == 2:
        known["ratio"] = known[MODEL] / known[BASELINE]
    return {
        "model": MODEL,
        "against": BASELINE,
        "temperature": temperature,
        **found,
        "selected_tokens": known,
    }


def pair(
    means: pl.DataFrame, models: tuple[str, str], temperature: float, resamples: int, seed: int
) -> dict[str, Any] | None:
    """Compare two models, asked for no effort, on the problems both answered; None if on none.

    ``means`` is the table of ``metrics.per_problem``. The result has ``problems``, how many;
    ``accuracy_difference``, the first's less the second's, and ``token_ratio``, the first's
    thinking tokens over the second's, each with ``value`` and the ends ``low`` and ``high`` of its
    95 % interval; the ratio is null where the second does not think.
    """
    means = means.filter(pl.col("temperature") == temperature, pl.col("effort").is_null())
    first, second = (means.filter(pl.col("model") == name) for name in models)
    both = first.join(second, on="problem_id", suffix="_second").sort("problem_id")
    if both.is_empty():
        return None
    columns = ("accuracy", "accuracy_second", "thinking_tokens", "thinking_tokens_second")
    right, right_second, tokens, tokens_second = (both[name].to_numpy() for name in columns)
    token_ratio = ratio(tokens, tokens_second, resamples, seed)
    return {
        "problems": both.height,
        "accuracy_difference": difference(right, right_second, resamples, seed)._asdict(),
        "token_ratio": token_ratio._asdict() if token_ratio else None,
    }


def check(
    models: Sequence[Mapping[str, Any]], comparison: Mapping[str, Any] | None, temperature: float
) -> list[dict[str, Any]]:
    """Hold the figures against what the method promises, as far as the run can tell.

    Each check has a ``name``, whether it ``holds`` and a sentence ``text`` with the figures.
    ``models`` are those of ``metrics.summarise``.
    """
    found = {
        (model["name"], model["effort"]): model
        for model in models
        if model["temperature"] == temperature
    }
    checks = []
    if comparison is not None:
        checks += _against_baseline(comparison)
    labels = sorted(found.get((MODEL, None), {}).get("by_difficulty", {}), key=natural_key)
    if len(labels) > 1:
        strata = found[MODEL, None]["by_difficulty"]
        easy, hard = (strata[label]["thinking_tokens"] for label in (labels[0], labels[-1]))
        text = (
            f"TOPS spends {easy:.1f} tokens on the easiest problems ({labels[0]}) "
            f"and {hard:.1f} on the hardest ({labels[-1]})."
        )
        checks.append({"name": "easy-below-hard", "holds": easy < hard, "text": text})
    if all(("tag", effort) in found for effort in EFFORTS):
        low, medium, high = (found["tag", effort]["thinking_tokens"] for effort in EFFORTS)
        text = (
            f"The tag model spends {low:.1f} tokens at low, {medium:.1f} at medium and {high:.1f} "
            "at high effort."
        )
        checks.append({"name": "efforts-in-order", "holds": low < medium < high, "text": text})
    return checks


def _against_baseline(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    points = Interval(**{k: 100 * v for k, v in comparison["accuracy_difference"].items()})
    value, low, high = (signed(end) for end in points)
    text = (
        f"TOPS's accuracy differs from the baseline's by {value} points (95 % interval {low} to "
        f"{high}); the lower end has to lie above {signed(100 * LEAST_DIFFERENCE)}."
    )
    holds = comparison["accuracy_difference"]["low"] > LEAST_DIFFERENCE
    checks = [{"name": "accuracy-kept", "holds": holds, "text": text}]
    if comparison["token_ratio"] is not None:
        tokens = Interval(**comparison["token_ratio"])
        text = (
            f"TOPS spends {tokens.value:.3f} of the baseline's thinking tokens (95 % interval "
            f"{tokens.low:.3f} to {tokens.high:.3f}); at most {MOST_TOKEN_RATIO} is asked."
        )
        holds = tokens.value <= MOST_TOKEN_RATIO
        checks.insert(0, {"name": "fewer-tokens", "holds": holds, "text": text})
    return checks


def signed(number: float) -> str:
    """Write a number with its sign and one decimal, with a real minus."""
    return f"{number:+.1f}".replace("-", "−")
