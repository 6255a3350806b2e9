"""The gate: whether a candidate takes the incumbent's place, from both on the same problems."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from z1.evaluation.comparison import pair, signed
from z1.recipe import Gate
from z1.records import EFFORT

INCUMBENT = "incumbent"


def decide(
    means: pl.DataFrame,
    candidate: str,
    section: Gate,
    temperature: float,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Say whether the candidate replaces the incumbent, and why.

    ``means`` is the table of ``metrics.per_problem``, in which the model in service is called
    ``incumbent``; where it is not there, there is none, and any candidate may go into service. Of
    models that are asked for an effort, both have to be: all efforts to a problem count as one.

    The result has ``candidate``, ``opens``, a sentence ``reason``, the same with the figures,
    ``text``, and where there is an incumbent what ``comparison.pair`` finds. Only the ends of the
    95 % intervals count, so that chance alone seldom opens the gate: a candidate that is no better
    stays outside.
    """
    means = means.filter(pl.col("temperature") == temperature)
    if means.filter(pl.col("model") == INCUMBENT).is_empty():
        reason = "No model is in service yet, so there is none to be better than."
        return {"candidate": candidate, "opens": True, "reason": reason, "text": reason}
    both = _without_efforts(means, (candidate, INCUMBENT))
    found = pair(both, (candidate, INCUMBENT), temperature, resamples, seed)
    if found is None:
        reason = "It has answered nothing in the way that the incumbent has."
        return {"candidate": candidate, "opens": False, "reason": reason, "text": reason}
    opens, reason = _judge(found, section)
    text = f"{reason} {_figures(found)}"
    return {"candidate": candidate, "opens": opens, **found, "reason": reason, "text": text}


def _without_efforts(means: pl.DataFrame, models: tuple[str, str]) -> pl.DataFrame:
    """Average the efforts to each problem where both models were asked for the same ones."""
    asked = [set(means.filter(pl.col("model") == name)["effort"]) for name in models]
    if asked[0] != asked[1]:
        return means.clear()
    return means.group_by("model", "temperature", "problem_id").agg(
        pl.col("accuracy", "thinking_tokens").mean(), effort=pl.lit(None, EFFORT)
    )


def _judge(found: Mapping[str, Any], section: Gate) -> tuple[bool, str]:
    accuracy, tokens = found["accuracy_difference"], found["token_ratio"]
    if tokens is None:
        return False, "The incumbent does not think, so no candidate can think less."
    if accuracy["low"] >= -section.margin and tokens["high"] < 1:
        return True, "It thinks less, and is not less accurate by more than the margin."
    if accuracy["low"] > 0 and tokens["high"] <= section.token_allowance:
        return True, "It is more accurate, within the token allowance."
    if set(accuracy.values()) == {0} and set(tokens.values()) == {1}:
        return False, "It answers exactly as the incumbent does."
    if accuracy["low"] < -section.margin:
        return False, "It may be less accurate by more than the margin."
    if accuracy["low"] > 0:
        return False, "It is more accurate, but may think more than the token allowance."
    return False, "It is not known to think less, nor to be more accurate."


def _figures(found: Mapping[str, Any]) -> str:
    points = {end: signed(100 * value) for end, value in found["accuracy_difference"].items()}
    text = (
        f"On {found['problems']:,} problems its accuracy differs from the incumbent's by "
        f"{points['value']} points (95 % interval {points['low']} to {points['high']})"
    )
    if (tokens := found["token_ratio"]) is None:
        return f"{text}."
    return (
        f"{text}, and it spends {tokens['value']:.3f} of its thinking tokens ({tokens['low']:.3f} "
        f"to {tokens['high']:.3f})."
    )
