import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from z1.evaluation.gate import decide
from z1.recipe import Gate
from z1.records import EFFORT

COUNT = 400


def answered(model, right, tokens, effort=None):
    """``right`` of COUNT problems right, each with about so many tokens."""
    noise = np.random.default_rng(0).uniform(0.8, 1.2, COUNT)
    return pl.DataFrame(
        {
            "model": [model] * COUNT,
            "effort": pl.Series([effort] * COUNT, dtype=EFFORT),
            "temperature": [1.0] * COUNT,
            "problem_id": [f"p{i:03}" for i in range(COUNT)],
            "accuracy": [1.0] * right + [0.0] * (COUNT - right),
            "thinking_tokens": tokens * noise,
        }
    )


def gate(candidate, incumbent=(300, 100.0), margin=0.02, allowance=1.2):
    tables = [answered("tops", *candidate)]
    if incumbent:
        tables.append(answered("incumbent", *incumbent))
    section = Gate(margin=margin, token_allowance=allowance)
    return decide(pl.concat(tables), "tops", section, 1.0, 400, 0)


@pytest.mark.parametrize(
    ("right", "tokens", "opens", "why"),
    [
        (300, 90.0, True, "It thinks less"),
        (340, 90.0, True, "It thinks less"),
        (340, 110.0, True, "It is more accurate, within the token allowance"),
        (340, 130.0, False, "It is more accurate, but may think more"),
        (299, 90.0, True, "It thinks less"),
        (290, 50.0, False, "It may be less accurate"),
        (300, 100.0, False, "It answers exactly as the incumbent does"),
        (300, 101.0, False, "It is not known to think less, nor to be more accurate"),
    ],
)
def test_only_a_better_candidate_gets_in(right, tokens, opens, why):
    found = gate((right, tokens))
    assert found["opens"] is opens
    assert found["text"].startswith(why)
    assert found["problems"] == COUNT
    assert found["token_ratio"]["value"] == pytest.approx(tokens / 100)
    assert found["accuracy_difference"]["value"] == pytest.approx((right - 300) / COUNT)


def test_the_decision_says_its_figures():
    assert gate((300, 90.0))["text"].endswith(
        "On 400 problems its accuracy differs from the incumbent's by +0.0 points (95 % interval "
        "+0.0 to +0.0), and it spends 0.900 of its thinking tokens (0.900 to 0.900)."
    )


def test_the_margin_and_the_allowance_are_the_recipes():
    assert not gate((290, 50.0), margin=0.02)["opens"]
    assert gate((290, 50.0), margin=0.06)["opens"]
    assert not gate((340, 110.0), allowance=1.0)["opens"]
    assert gate((340, 110.0), allowance=1.2)["opens"]


def test_the_first_model_gets_in():
    found = gate((10, 100.0), incumbent=None)
    assert found["opens"]
    assert "No model is in service" in found["text"]


def test_nobody_thinks_less_than_not_at_all():
    found = gate((340, 100.0), incumbent=(300, 0.0))
    assert not found["opens"]
    assert found["token_ratio"] is None


def test_replies_at_an_asked_effort_do_not_speak_for_a_candidate():
    tables = [answered("tops", 400, 1.0, effort="low"), answered("incumbent", 300, 100.0)]
    assert not decide(pl.concat(tables), "tops", Gate(), 1.0, 200, 0)["opens"]


def test_models_that_are_asked_for_efforts_are_compared_over_all_of_them():
    tables = [
        answered(model, right + 30 * place, tokens * (place + 1), effort)
        for model, right, tokens in (("tag", 300, 18.0), ("incumbent", 300, 20.0))
        for place, effort in enumerate(("low", "medium", "high"))
    ]
    found = decide(pl.concat(tables), "tag", Gate(), 1.0, 200, 0)
    assert (found["opens"], found["problems"]) == (True, COUNT)
    assert found["token_ratio"]["value"] == pytest.approx(0.9)
    # One effort less is no longer the same question.
    assert not decide(pl.concat(tables[1:]), "tag", Gate(), 1.0, 200, 0)["opens"]


figures = st.tuples(st.integers(0, COUNT), st.floats(1.0, 200.0))


@given(figures, figures)
def test_two_models_never_replace_each_other_by_turns(first, second):
    """With no margin and no allowance a better model stays."""
    forth = gate(first, second, margin=0.0, allowance=1.0)
    back = gate(second, first, margin=0.0, allowance=1.0)
    assert not (forth["opens"] and back["opens"])
