import pytest
from hypothesis import given
from hypothesis import strategies as st

from z1.window import Window, check_room

END = 0
tokens = st.integers(1, 4)
replies = st.lists(tokens, max_size=30)
windows = st.builds(
    Window,
    budget=st.integers(0, 20),
    hint=st.lists(st.integers(5, 9), min_size=1, max_size=4).map(tuple),
    delimiter=st.lists(tokens, max_size=2).map(tuple),
)


def generate(wanted, window, limit):
    """Decode as an engine does, with a model that wants to write ``wanted`` and then end."""
    ids, free = [], iter([*wanted, END])
    while len(ids) < limit:
        token = window.forced(ids) if window else None
        if token is None:
            token = next(free, END)
        if token == END:
            return ids, True
        ids.append(token)
    return ids, False


@given(replies, windows)
def test_the_hint_begins_at_exactly_the_budget_and_only_if_the_reply_overruns(wanted, window):
    ids, ended = generate(wanted, window, limit=100)
    parts = window.split(ids, ended)
    assert [*parts.thinking, *parts.hint, *parts.answer] == ids
    width = len(window.delimiter)
    delimited = width and any(
        tuple(wanted[i : i + width]) == window.delimiter
        for i in range(min(len(wanted), window.budget) - width + 1)
    )
    # The end token counts: a reply of `budget` tokens has no place for it left.
    if len(wanted) < window.budget or delimited:
        assert ids == wanted
        assert not parts.closed
        assert parts.thinking == wanted
    else:
        assert parts.closed
        assert parts.thinking == wanted[: window.budget]
        assert tuple(parts.hint) == window.hint
        assert parts.answer == wanted[window.budget :]


@given(replies, windows, st.integers(1, 10))
def test_thinking_cannot_eat_the_reserve(wanted, window, reserve):
    limit = window.budget + len(window.hint) + reserve
    check_room(window, reserve, limit)
    ids, ended = generate([*wanted, *[1] * limit], window, limit)
    parts = window.split(ids, ended)
    if parts.closed:
        assert len(parts.answer) == reserve
    with pytest.raises(ValueError, match="do not fit"):
        check_room(window, reserve, limit - 1)


@given(replies, windows)
def test_phases_come_in_order(wanted, window):
    ids, _ = generate(wanted, window, limit=100)
    order = ["thinking", "hint", "answering"]
    phases = [order.index(window.phase(ids[:n])) for n in range(len(ids) + 1)]
    assert phases == sorted(phases)
    assert all(
        (phase == 1) == (window.forced(ids[:n]) is not None) for n, phase in enumerate(phases)
    )


@pytest.mark.parametrize(
    ("limit", "advice"),
    [(100, "at most 80"), (10, "a limit of at least 120")],
)
def test_a_window_without_room_says_what_to_give(limit, advice):
    with pytest.raises(ValueError, match=advice):
        check_room(Window(100, (1, 2, 3, 4)), reserve=16, limit=limit)


@pytest.mark.parametrize("window", [(-1, (1,)), (3, ())])
def test_a_window_that_cannot_be_is_refused(window):
    with pytest.raises(ValueError, match=r"budget|hint"):
        Window(*window)
