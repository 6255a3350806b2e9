import polars as pl
import pytest

from z1.evaluation.budgets import BUDGETED
from z1.evaluation.scaling import TABLE_6, check_rise


def curve(accuracies, model="z1", problems=400):
    rows = [
        {
            "model": model,
            "method": "window",
            "problem_id": f"p{i}",
            "budget": 10 * number,
            "thinking_tokens": 8 * number,
            "verdict": "right" if i < accuracy * problems else "wrong",
        }
        for number, accuracy in enumerate(accuracies, start=1)
        for i in range(problems)
    ]
    return pl.DataFrame(rows, schema=BUDGETED)


@pytest.mark.parametrize(
    ("accuracies", "holds"),
    [
        ([0.2, 0.5, 0.9], True),
        ([0.2, 0.9, 0.9], True),
        ([0.2, 0.9, 0.6], False),  # more right in all, but worse at the end
        ([0.5, 0.5, 0.5], False),
        ([0.9, 0.2], False),
    ],
)
def test_a_curve_rises_if_the_last_is_above_the_first_and_no_step_goes_down(accuracies, holds):
    [check] = check_rise(curve(accuracies), 500, 0)
    assert (check["name"], check["holds"]) == ("rises", holds)
    assert f"{100 * accuracies[0]:.1f} to {100 * accuracies[-1]:.1f} %" in check["text"]


def test_without_a_curve_of_z1_nothing_is_claimed():
    assert check_rise(curve([0.2, 0.9], model="base"), 100, 0) == []
    assert check_rise(curve([0.2]), 100, 0) == []
    assert check_rise(pl.DataFrame(schema=BUDGETED), 100, 0) == []


def test_the_papers_figures_are_plausible_and_rise():
    assert len(TABLE_6) == 6
    for row in TABLE_6:
        tokens, right = zip(*row["points"], strict=True)
        assert list(tokens) == sorted(tokens)
        assert list(right) == sorted(right)
        assert 10 < min(right) < max(right) < 90
