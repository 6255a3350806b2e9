"""A window in a request's extra arguments: what is read, refused, and made of a default budget."""

import json

import pytest

from z1.serving.carried import Carried, read, settle, write
from z1.window import Window

GOOD = {"budget": 5, "hint": [7, 8], "reserve": 3}


@pytest.mark.parametrize("extra", [None, {}, {"other": 1}])
def test_a_request_without_the_field_has_no_window(extra):
    assert read(extra) is None


def test_a_window_is_read_from_an_object_and_from_json():
    expected = Carried(Window(5, (7, 8)), 3)
    assert read({"z1_window": GOOD}) == expected
    assert read({"z1_window": json.dumps(GOOD)}) == expected
    assert read({"z1_window": {**GOOD, "delimiter": []}}) == expected


def test_what_is_written_is_read_again():
    carried = Carried(Window(0, (1,)), 2, ticket="t")
    assert read({"z1_window": write(carried)}) == carried


@pytest.mark.parametrize("wrong", [-1, 1.0, 2.5, "5", True, None, [5]])
@pytest.mark.parametrize("field", ["budget", "reserve"])
def test_anything_but_whole_numbers_is_refused(field, wrong):
    with pytest.raises(ValueError, match="send a whole number of tokens, 0 or more"):
        read({"z1_window": {**GOOD, field: wrong}})


@pytest.mark.parametrize(
    ("window", "message"),
    [
        (5, "send an object"),
        ("{", "not JSON"),
        ({"budget": 5}, "lacks hint, reserve"),
        ({**GOOD, "limit": 1}, "unknown keys: limit"),
        ({**GOOD, "hint": []}, "hint is empty"),
        ({**GOOD, "hint": "text"}, "send a list of token ids"),
        ({**GOOD, "hint": [True]}, "hint is true"),
    ],
)
def test_a_window_that_is_none_is_refused(window, message):
    with pytest.raises(ValueError, match=message):
        read({"z1_window": window})


@pytest.mark.parametrize(("budget", "limit", "kept"), [(5, 30, 5), (50, 30, 25), (50, 4, 0)])
def test_a_default_budget_leaves_room_for_hint_and_answer(budget, limit, kept):
    assert settle(Carried(Window(budget, (7, 8)), 3, ticket="t"), limit).budget == kept


def test_a_budget_that_was_asked_for_is_never_made_smaller():
    assert settle(Carried(Window(50, (7, 8)), 3), 30).budget == 50
