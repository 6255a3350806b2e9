import random
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from z1.selection.loops import COVERED, REPEATS, longest_loop, loops


def words(rng, count):
    return " ".join(
        "".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9))) for _ in range(count)
    )


@given(
    seed=st.integers(0, 10**6),
    length=st.integers(1, 150),
    times=st.integers(REPEATS, 30),
    before=st.integers(0, 300),
    after=st.integers(0, 300),
)
def test_a_block_over_and_over_is_found_wherever_it_stands(seed, length, times, before, after):
    rng = random.Random(seed)
    block = f"{words(rng, length)}\n\n"
    period = len(block) - 1  # white space counts once
    times = max(times, -(-COVERED // period))
    text = f"{words(rng, before)} {block * times}{words(rng, after)}"
    assert longest_loop(text) >= period * times


@given(seed=st.integers(0, 10**6), count=st.integers(0, 2000))
def test_words_by_chance_are_no_loop(seed, count):
    assert not loops(words(random.Random(seed), count))


@given(seed=st.integers(0, 10**6), length=st.integers(20, 300))
def test_saying_it_three_times_is_no_loop(seed, length):
    rng = random.Random(seed)
    block = words(rng, length) + "."
    assert not loops(" ".join([block] * (REPEATS - 1)))
    assert not loops("".join(f"{block}\nRound {number}:\n" for number in range(REPEATS + 4)))


def test_a_block_with_repetition_inside_is_found():
    inner = "Check 1 + 1 = 2, fine. Check 1 + 1 = 2, fine. Now the other half of the sum. "
    assert loops("Let us begin. " + inner * 12)


@pytest.mark.parametrize(
    "honest",
    [
        "".join(f"dp[{i}][{j}] = {(i * j) % 7}\n" for i in range(20) for j in range(20)),
        "".join(f"| {a} | {b} | {a & b} |\n" for a in (0, 1) for b in (0, 1)) * 2,
        "def f(x):\n    return x + 1\n\n" + "so the program is\n" + "def f(x):\n    return x + 1\n",
        "[" + ", ".join(["0"] * 100) + "]",
        "Es gibt 23+45=68\ncheck\n45+23=68\n68",
        "",
        "\n" * 5000,
    ],
)
def test_honest_texts_are_no_loops(honest):
    assert not loops(honest)


def test_scripts_without_spaces_and_halves_of_characters_are_read():
    assert loops("我们再检查一遍答案是否正确。" * 40)
    assert not loops("\ud800" + "x")


def test_a_long_reply_takes_a_moment():
    text = words(random.Random(0), 20_000)
    started = time.perf_counter()
    loops(text)
    assert time.perf_counter() - started < 20
