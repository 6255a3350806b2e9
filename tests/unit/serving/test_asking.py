"""What `z1 serve` makes of a request's fields before vLLM sees them."""

import dataclasses
import json

import pytest

from z1.recipe import ThinkingWindow
from z1.serving.asking import CHAT, COMPLETIONS, BadRequestError, rewrite
from z1.serving.settings import make_settings

BUDGETS = {"low": 5, "medium": 20, "high": 4000}


@pytest.fixture(scope="module")
def settings():
    return make_settings("tiny", ThinkingWindow(hint="\nanswer\n", reserve=8), BUDGETS)


def sent(body):
    """Return the window that goes to vLLM."""
    return json.loads(body["vllm_xargs"]["z1_window"])


def test_without_fields_nothing_changes(settings):
    body = {"messages": [], "tools": [{}], "temperature": 0.5}
    asked = rewrite(body, CHAT, settings)
    assert asked.carried is None
    assert body == {"messages": [], "tools": [{}], "temperature": 0.5}


def test_an_explicit_budget_overrides_that_of_the_effort(settings):
    body = {"reasoning_effort": "low", "thinking_token_budget": 0, "vllm_xargs": {"other": 1}}
    rewrite(body, CHAT, settings)
    assert sent(body) == {"budget": 0, "hint": list(settings.hint), "reserve": 8, "ticket": None}
    assert body["vllm_xargs"]["other"] == 1
    assert "thinking_token_budget" not in body  # vLLM would refuse it


@pytest.mark.parametrize("effort", BUDGETS)
def test_an_effort_has_the_budget_of_the_server(settings, effort):
    body = {"reasoning_effort": effort}
    rewrite(body, CHAT, settings)
    assert sent(body)["budget"] == BUDGETS[effort]
    assert sent(body)["ticket"]


def test_the_effort_goes_to_the_template_of_a_model_trained_with_efforts_alone(settings):
    trained = dataclasses.replace(settings, efforts=True)
    for one, kept in [(settings, False), (trained, True)]:
        body = {"reasoning_effort": "high"}
        rewrite(body, CHAT, one)
        assert ("reasoning_effort" in body) == kept


@pytest.mark.parametrize(
    ("body", "advice"),
    [
        ({"thinking_token_budget": -1}, "send a whole number of tokens, 0 or more"),
        ({"thinking_token_budget": "5"}, "send a whole number of tokens, 0 or more"),
        ({"thinking_token_budget": 5.0}, "send a whole number of tokens, 0 or more"),
        ({"thinking_token_budget": True}, "send a whole number of tokens, 0 or more"),
        ({"reasoning_effort": "huge"}, "send low, medium or high"),
        ({"reasoning_effort": 3}, "send low, medium or high"),
        ({"thinking_token_budget": 5, "tools": [{}]}, "leave out tools"),
        ({"reasoning_effort": "low", "response_format": {"type": "json_object"}}, "leave out"),
        ({"thinking_token_budget": 5, "stop": ["x", "\nans"]}, "is in the hint"),
        ({"vllm_xargs": {"z1_window": {"budget": 1, "hint": [9999], "reserve": 1}}}, "below 26"),
        ({"vllm_xargs": {"z1_window": {"budget": 1}}}, "lacks hint, reserve"),
        ({"vllm_xargs": [1], "thinking_token_budget": 5}, "send an object"),
    ],
)
def test_what_cannot_be_served_is_refused_with_what_to_send_instead(settings, body, advice):
    with pytest.raises(BadRequestError, match=advice):
        rewrite(body, CHAT, settings)


def test_a_completion_has_no_effort(settings):
    with pytest.raises(BadRequestError, match="send thinking_token_budget"):
        rewrite({"reasoning_effort": "low"}, COMPLETIONS, settings)


def test_the_servers_own_description_has_what_a_client_needs(settings):
    assert settings.describe() == {
        "window": {"hint": "\nanswer\n", "hint_tokens": 8, "reserve": 8, "budgets": BUDGETS}
    }
