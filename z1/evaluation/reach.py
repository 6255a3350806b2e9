"""How many tokens a model needs to be as right as another: the ratio the Z1 paper headlines.

A model's accuracy within growing thinking budgets is a curve over its average thinking tokens.
Where the curve first reaches the other model's accuracy, interpolated along a straight line between
two budgets, is what the model needs; over what the other spends, that is the ratio. A bootstrap
over the problems that both answered redraws curve and goal together.
"""

from typing import Any

import numpy as np
import polars as pl

from z1.evaluation.bootstrap import Floats, resample_means


def find_reach(
    within: pl.DataFrame, replies: pl.DataFrame, model: str, goal: str, resamples: int, seed: int
) -> dict[str, Any] | None:
    """Return the tokens at which ``model``'s window curve first reaches the accuracy of ``goal``.

    ``within`` has the columns BUDGETED, ``replies`` those of EVALUATED: the goal's greedy replies
    are taken, or all of them if it has none. The result has ``model``, ``goal``, the goal's
    ``accuracy`` and ``thinking_tokens``, the ``tokens`` needed, the ``ratio`` of the two with the
    ends of its 95 % interval ``low`` and ``high``, and ``reached``, the share of resamples in which
    the goal is reached at all; a number is null where it is not. None if either model is missing.
    """
    curve = within.filter(pl.col("model") == model, pl.col("method") == "window")
    goals = replies.filter(pl.col("model") == goal)
    if (goals["temperature"] == 0).any():
        goals = goals.filter(pl.col("temperature") == 0)
    aims = goals.group_by("problem_id").agg(
        accuracy=(pl.col("verdict") == "right").mean(), tokens=pl.col("thinking_tokens").mean()
    )
    right = (pl.col("verdict") == "right").cast(pl.Float64)
    cells = curve.select("problem_id", "budget", "thinking_tokens", right=right)
    wide = cells.pivot(on="budget", index="problem_id", values=["right", "thinking_tokens"])
    table = aims.join(wide, on="problem_id").sort("problem_id")
    if table.is_empty():
        return None
    budgets = sorted(curve["budget"].unique())
    columns = ["accuracy", "tokens"]
    columns += [f"{name}_{budget}" for name in ("right", "thinking_tokens") for budget in budgets]
    values = table.select(pl.col(columns).cast(pl.Float64)).to_numpy()
    found = _first_tokens(values.mean(axis=0, keepdims=True))[0]
    draws = resample_means(values, resamples, seed)
    ratios = _first_tokens(draws) / np.maximum(draws[:, 1], 1e-9)
    low, high = np.quantile(ratios, [0.025, 0.975], method="inverted_cdf")
    accuracy, spent = values[:, :2].mean(axis=0)
    return {
        "model": model,
        "goal": goal,
        "problems": len(table),
        "accuracy": float(accuracy),
        "thinking_tokens": float(spent),
        "tokens": _finite(found),
        "ratio": _finite(found / spent) if spent else None,
        "low": _finite(low),
        "high": _finite(high),
        "reached": float(np.isfinite(ratios).mean()),
    }


def _first_tokens(means: Floats) -> Floats:
    """Return for each row of means (goal, its tokens, accuracies, tokens by budget) where the curve
    first reaches the goal; infinity where it does not, the first budget's tokens if at once."""
    count = (means.shape[1] - 2) // 2
    goal, heights, places = means[:, :1], means[:, 2 : 2 + count], means[:, 2 + count :]
    above = heights >= goal
    first = above.argmax(axis=1)
    rows = np.arange(len(means))
    after, before = first, np.maximum(first - 1, 0)
    rise = heights[rows, after] - heights[rows, before]
    part = np.where(rise > 0, (goal[:, 0] - heights[rows, before]) / np.where(rise > 0, rise, 1), 1)
    tokens = places[rows, before] + part * (places[rows, after] - places[rows, before])
    return np.where(above.any(axis=1), tokens, np.inf)


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None
