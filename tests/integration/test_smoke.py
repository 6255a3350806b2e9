"""The smoke test of a deployment, put to a real `z1 serve`."""

import pytest

from z1.errors import RolloutError
from z1.recipe import Deployment, EffortBudgets, SmokeProblem, ThinkingWindow
from z1.serving.smoke import ask

# As the server in conftest.py is started.
HINT, KEY = "\nanswer\n", "secret"
WINDOW = ThinkingWindow(hint=HINT, reserve=8)
SUMS = [(f"{a} + {b}", str(a + b)) for a, b in [(1, 2), (3, 4), (10, 20), (21, 13), (40, 50)]]
pytestmark = pytest.mark.timeout(1800)


def section(answers=SUMS, **budgets):
    problems = [SmokeProblem(prompt=p, answer=a, verifier="exact") for p, a in answers]
    return Deployment(smoke=problems, budgets=EffortBudgets(medium=20, high=300, **budgets))


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def test_a_served_model_answers_within_the_budget_of_each_effort(served):
    answers = ask(served.url, "tiny", section(low=3), WINDOW)
    assert len(answers) == 3 * len(SUMS)
    spent = {answer.effort: answer.thinking_tokens for answer in answers}
    assert 0 < spent["low"] <= 3 < spent["medium"] <= 20


@pytest.mark.parametrize(
    ("told", "window", "reason"),
    [
        (section([("1 + 2", "4")], low=3), WINDOW, "at low effort no answer is right"),
        (section(low=1), WINDOW, "more than the budget of 1"),
        (section(low=3), ThinkingWindow(), "with the recipe's hint"),
    ],
    ids=["wrong", "over", "hint"],
)
def test_what_is_not_as_the_recipe_says_is_told(served, told, window, reason):
    with pytest.raises(RolloutError, match=reason):
        ask(served.url, "tiny", told, window)


def test_a_wrong_key_is_told(served, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    with pytest.raises(RolloutError, match="set OPENAI_API_KEY to a key of this server"):
        ask(served.url, "tiny", section(low=3), WINDOW)
