import polars as pl
import pytest

from z1.evaluation.comparison import check, compare, signed
from z1.records import EFFORT


def means(accuracy, tokens, model, temperature=1.0, ids=("a", "b", "c", "d")):
    return pl.DataFrame(
        {
            "model": [model] * len(ids),
            "effort": pl.Series([None] * len(ids), dtype=EFFORT),
            "temperature": [temperature] * len(ids),
            "problem_id": list(ids),
            "accuracy": accuracy,
            "thinking_tokens": tokens,
        }
    )


def pair():
    tops = means([1.0, 1.0, 0.5, 1.0], [3.0, 10.0, 20.0, 27.0], "tops")
    random = means([1.0, 0.5, 0.5, 1.0], [10.0, 20.0, 30.0, 40.0], "random")
    return tops, random


def test_tops_is_compared_with_random_on_the_same_problems():
    found = compare(pl.concat(pair()), 1.0, 2000, 0, {"tops": 28.0, "random": 40.0, "tag": 9.0})
    assert (found["model"], found["against"], found["problems"]) == ("tops", "random", 4)
    assert found["accuracy_difference"]["value"] == pytest.approx(0.125)
    # Only problem b differs: by a half, in none to all of the four draws.
    assert found["accuracy_difference"]["low"] == pytest.approx(0.0)
    assert found["accuracy_difference"]["high"] <= 0.5
    assert found["token_ratio"]["value"] == pytest.approx(0.6)
    assert found["token_ratio"]["low"] < 0.6 < found["token_ratio"]["high"]
    assert found["selected_tokens"] == {"tops": 28.0, "random": 40.0, "ratio": 0.7}


def test_problems_are_matched_by_id_and_not_by_place():
    tops, random = pair()
    straight = compare(pl.concat([tops, random]), 1.0, 500, 0, {})
    assert compare(pl.concat([random.reverse(), tops]), 1.0, 500, 0, {}) == straight
    fewer = compare(pl.concat([tops, random.head(3)]), 1.0, 500, 0, {})
    assert fewer["problems"] == 3
    assert fewer["selected_tokens"] == {}


def test_there_is_no_comparison_without_both_at_that_temperature():
    tops, random = pair()
    greedy = random.with_columns(temperature=pl.lit(0.0))
    assert compare(tops, 1.0, 50, 0, {}) is None
    assert compare(pl.concat([tops, greedy]), 1.0, 50, 0, {}) is None


def comparison(ratio, low):
    return {
        "token_ratio": {"value": ratio, "low": ratio - 0.02, "high": ratio + 0.02},
        "accuracy_difference": {"value": low + 0.01, "low": low, "high": low + 0.02},
    }


def model(name, tokens, effort=None, by_difficulty=None, temperature=1.0):
    strata = {label: {"thinking_tokens": t} for label, t in (by_difficulty or {}).items()}
    return {
        "name": name,
        "effort": effort,
        "temperature": temperature,
        "thinking_tokens": tokens,
        "by_difficulty": strata,
    }


@pytest.mark.parametrize(
    ("ratio", "low", "holds"),
    [
        (0.65, -0.019, {"fewer-tokens": True, "accuracy-kept": True}),
        (0.651, -0.02, {"fewer-tokens": False, "accuracy-kept": False}),
        (0.5, -0.05, {"fewer-tokens": True, "accuracy-kept": False}),
    ],
)
def test_the_baseline_checks_hold_or_fall_short(ratio, low, holds):
    found = check([], comparison(ratio, low), 1.0)
    assert {c["name"]: c["holds"] for c in found} == holds
    assert f"{ratio:.3f}" in found[0]["text"]


@pytest.mark.parametrize(
    ("strata", "holds"), [({"2": 5.0, "10": 9.0}, True), ({"2": 9.0, "10": 5.0}, False)]
)
def test_easy_problems_are_to_take_fewer_tokens_than_hard_ones(strata, holds):
    (found,) = check([model("tops", 7.0, by_difficulty=strata)], None, 1.0)
    assert (found["name"], found["holds"]) == ("easy-below-hard", holds)


@pytest.mark.parametrize(("tokens", "holds"), [((3, 30, 70), True), ((30, 3, 70), False)])
def test_the_tag_models_efforts_are_to_differ_in_order(tokens, holds):
    models = [model("tag", t, e) for t, e in zip(tokens, ("low", "medium", "high"), strict=True)]
    (found,) = check(models, None, 1.0)
    assert (found["name"], found["holds"]) == ("efforts-in-order", holds)


def test_nothing_is_checked_that_the_run_cannot_tell():
    greedy = model("tops", 7.0, by_difficulty={"2": 1.0, "3": 2.0}, temperature=0.0)
    alone = model("tops", 7.0, by_difficulty={"2": 1.0})
    assert check([greedy, alone, model("tag", 3.0, "low")], None, 1.0) == []


def test_numbers_carry_their_sign():
    assert [signed(x) for x in (1.25, -0.3, 0)] == ["+1.2", "−0.3", "+0.0"]
