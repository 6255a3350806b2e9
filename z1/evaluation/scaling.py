"""Test-time scaling as in the Z1 paper (arXiv 2504.00810): more budget, more right answers."""

from itertools import pairwise
from typing import Any

import polars as pl

from z1.evaluation.bootstrap import difference

_MEASURED: dict[tuple[str, str], dict[str, list[tuple[int, float]]]] = {
    ("Z1-7B", "window"): {
        "GPQA Diamond": [(256, 25.3), (510, 28.8), (946, 33.3), (1548, 41.9), (2470, 47.5)],
        "LiveCodeBench": [(256, 30.3), (502, 31.9), (732, 35.0), (866, 35.3)],
        "MATH500": [(255, 37.2), (471, 55.8), (707, 71.2), (823, 74.2), (1185, 76.4)],
    },
    ("R1-Distill-Qwen-7B", "truncation"): {
        "GPQA Diamond": [(512, 18.2), (1011, 19.2), (1971, 26.3), (3607, 35.4)],
        "LiveCodeBench": [(512, 13.9), (1023, 20.7), (1978, 28.8), (3580, 40.0)],
        "MATH500": [
            (512, 59.8), (719, 62.4), (1016, 72.0), (1337, 76.0), (1760, 83.4), (2541, 87.6)
        ],
    },
}  # fmt: skip
TABLE_6: list[dict[str, Any]] = [
    {"model": model, "method": method, "benchmark": benchmark, "points": points}
    for (model, method), curves in _MEASURED.items()
    for benchmark, points in curves.items()
]
"""What the paper measured: average thinking tokens and pass@1 in percent, by model and benchmark.
``method`` says what happened at the budget. Figures of the paper's models, not of a run of z1."""


def check_rise(within: pl.DataFrame, resamples: int, seed: int) -> list[dict[str, Any]]:
    """Say whether Z1 gets better with its budget: in all, and at no step clearly worse.

    ``within`` has the columns BUDGETED. Empty if there is no Z1 model with two budgets; else one
    check, as those of ``comparison.check``. A step down counts from one standard error on.
    """
    curve = within.filter(pl.col("model") == "z1", pl.col("method") == "window")
    budgets = sorted(curve["budget"].unique())
    if len(budgets) < 2:
        return []
    parts = [curve.filter(pl.col("budget") == budget).sort("problem_id") for budget in budgets]
    right = [(part["verdict"] == "right").cast(pl.Float64).to_numpy() for part in parts]
    tokens = [float(part["thinking_tokens"].to_numpy().mean()) for part in parts]
    gain = difference(right[-1], right[0], resamples, seed)
    drops = [before - after for before, after in pairwise(right)]
    steady = all(d.mean() <= d.std(ddof=1) / len(d) ** 0.5 for d in drops)
    text = (
        f"From a budget of {budgets[0]:,} to one of {budgets[-1]:,} tokens Z1's accuracy goes from "
        f"{100 * right[0].mean():.1f} to {100 * right[-1].mean():.1f} % ({tokens[0]:.1f} to "
        f"{tokens[-1]:.1f} thinking tokens on average), by {100 * gain.value:+.1f} points (95 % "
        f"interval {100 * gain.low:+.1f} to {100 * gain.high:+.1f}), and "
        + ("at no step in between does it fall." if steady else "it falls at a step in between.")
    )
    return [{"name": "rises", "holds": gain.low > 0 and steady, "text": text.replace(" -", " −")}]
