import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from z1.tiny.make import write_sum
from z1.tiny.sums import parse_sum, solve

terms = st.lists(st.integers(-999, 999).filter(bool), min_size=2, max_size=8)


@given(terms)
def test_a_sum_is_read_as_it_is_written(numbers):
    assert parse_sum(f"Calculate {write_sum(numbers)}.") == numbers


@pytest.mark.parametrize("prompt", ["", "What is 5?", "1 + 2 or 3 + 4?", "x + y"])
def test_what_is_not_one_sum_is_refused(prompt):
    assert parse_sum(prompt) is None


def value(text):
    return sum(map(int, re.findall(r"[+-]?\d+", text)))


@given(terms, st.sampled_from(["medium", "high"]), st.integers(0, 2**32))
def test_without_slips_every_line_is_true(numbers, effort, seed):
    lines = solve(numbers, effort, random.Random(seed)).splitlines()
    assert int(lines[-1]) == sum(numbers)
    steps = [line for line in lines if "=" in line]
    for step in steps:
        left, right = step.split("=")
        assert value(left) == int(right)
    assert len(steps) == {"medium": 1, "high": 2}[effort] * (len(numbers) - 1)


@given(terms, st.integers(0, 2**32))
def test_a_scribble_carries_each_total_straight_on(numbers, seed):
    first, *totals = solve(numbers, "low", random.Random(seed)).split("=")
    assert value(first) == sum(numbers[:2])
    assert value(totals[-1]) == sum(numbers)
    for place, carried in enumerate(totals, start=2):
        assert value(carried) == sum(numbers[: place + 1])


def test_high_effort_goes_on_until_two_passes_agree():
    rng = random.Random(0)
    replies = [solve([23, 45, 61], "high", rng, slip=0.3) for _ in range(300)]
    medium = [solve([23, 45, 61], "medium", rng, slip=0.3) for _ in range(300)]
    assert any("again" in reply for reply in replies)
    assert _right(replies) > _right(medium) + 30


def _right(replies):
    return sum(reply.splitlines()[-1] == "129" for reply in replies)
