import polars as pl
import pytest

from z1.evaluation.budgets import BUDGETED
from z1.evaluation.metrics import EVALUATED
from z1.evaluation.reach import find_reach


def within(accuracies, tokens, problems=100):
    """A curve whose first ``accuracy * problems`` problems are right within each budget."""
    rows = [
        {
            "model": "z1",
            "method": "window",
            "problem_id": f"p{i}",
            "budget": budget,
            "thinking_tokens": tokens[budget],
            "verdict": "right" if i < accuracy * problems else "wrong",
        }
        for budget, accuracy in accuracies.items()
        for i in range(problems)
    ]
    return pl.DataFrame(rows, schema=BUDGETED)


def goal(accuracy, tokens, problems=100, **changes):
    rows = [
        {
            "model": "base",
            "temperature": 0.0,
            "seed": 0,
            "problem_id": f"p{i}",
            "sample": 0,
            "thinking_tokens": tokens,
            "verdict": "right" if i < accuracy * problems else "wrong",
            **changes,
        }
        for i in range(problems)
    ]
    return pl.DataFrame(rows, schema=EVALUATED)


CURVE = within({10: 0.2, 20: 0.6, 40: 0.9}, {10: 10, 20: 18, 40: 30})


def test_the_tokens_are_interpolated_between_two_budgets():
    found = find_reach(CURVE, goal(0.75, 48), "z1", "base", 500, 0)
    assert found["tokens"] == pytest.approx(24)
    assert found["ratio"] == pytest.approx(0.5)
    assert found["low"] <= 0.5 <= found["high"]
    assert found["high"] - found["low"] < 0.2
    assert (found["accuracy"], found["thinking_tokens"]) == (0.75, 48)
    assert found["reached"] == 1


def test_a_goal_below_the_whole_curve_is_reached_at_its_start():
    found = find_reach(CURVE, goal(0.1, 20), "z1", "base", 200, 0)
    assert found["tokens"] == 10
    one = within({10: 0.2}, {10: 10})
    assert find_reach(one, goal(0.1, 20), "z1", "base", 200, 0)["ratio"] == 0.5


def test_a_goal_above_the_curve_is_not_reached():
    found = find_reach(CURVE, goal(1.0, 20), "z1", "base", 200, 0)
    assert (found["tokens"], found["ratio"], found["high"], found["reached"]) == (None,) * 3 + (0,)


def test_a_goal_that_is_hardly_reached_has_no_upper_end():
    found = find_reach(CURVE, goal(0.9, 60), "z1", "base", 2000, 0)
    assert found["tokens"] == pytest.approx(30)
    near = pl.concat([goal(0.9, 60)[:95], goal(0.93, 60)[95:]])
    shuffled = near.with_columns(verdict=near["verdict"].reverse())
    found = find_reach(CURVE, shuffled, "z1", "base", 2000, 0)
    assert 0 < found["reached"] < 1
    assert found["high"] is None


def test_greedy_replies_are_the_goal_where_there_are_some():
    both = pl.concat([goal(0.75, 48), goal(0.2, 10, temperature=1.0)])
    assert find_reach(CURVE, both, "z1", "base", 100, 0)["tokens"] == pytest.approx(24)
    assert find_reach(CURVE, both, "z1", "nobody", 100, 0) is None
