"""The rules, each against a plain restatement of it in Python over generated pools."""

import itertools
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from z1.recipe import Selection
from z1.records import EFFORT, EFFORTS, VERDICT
from z1.selection import RULES
from z1.selection.seed_set import rank_efforts

POOL = {
    "row": pl.UInt32,
    "problem": pl.UInt32,
    "effort": EFFORT,
    "sample": pl.Int32,
    "thinking_tokens": pl.Int32,
    "verdict": VERDICT,
}
Reply = dict[str, Any]


def make_pool(replies: list[Reply]) -> pl.LazyFrame:
    return pl.LazyFrame([{"row": i, **reply} for i, reply in enumerate(replies)], schema=POOL)


def choose(
    rule: str, replies: list[Reply], min_gap: int = 0, seed: int = 0
) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """Return the rows written, and the reason for each problem left out."""
    options = Selection(min_gap=min_gap)
    choice = RULES[rule].choose(make_pool(replies), options, seed).collect()
    kept = choice.filter(pl.col("reason").is_null()).to_dicts()
    left_out = choice.filter(pl.col("reason").is_not_null())
    assert left_out["problem"].is_unique().all()
    return kept, dict(left_out.select("problem", "reason").iter_rows())


def reply(
    problem: int, effort: str | None, tokens: int, verdict: str = "right", sample: int = 0
) -> Reply:
    return {
        "problem": problem,
        "effort": effort,
        "sample": sample,
        "thinking_tokens": tokens,
        "verdict": verdict,
    }


@st.composite
def pools(draw: st.DrawFn, efforts: tuple[str | None, ...] = EFFORTS) -> list[Reply]:
    """Replies to up to four problems in any order; (problem, effort, sample) is unique."""
    keys = [
        (problem, effort, sample)
        for problem in range(draw(st.integers(1, 4)))
        for effort in efforts
        for sample in range(3)
    ]
    chosen = draw(st.lists(st.sampled_from(keys), min_size=1, unique=True))
    return [
        reply(
            problem,
            effort,
            draw(st.integers(0, 12)),
            draw(st.sampled_from(["right", "right", "wrong", "error"])),
            sample,
        )
        for problem, effort, sample in chosen
    ]


def order(row: Reply) -> tuple[int, int, int]:
    effort = -1 if row["effort"] is None else EFFORTS.index(row["effort"])
    return row["thinking_tokens"], effort, row["sample"]


def by_problem(replies: list[Reply]) -> dict[int, list[Reply]]:
    groups: dict[int, list[Reply]] = {}
    for row in replies:
        groups.setdefault(row["problem"], []).append(row)
    return groups


def with_verdict(rows: list[Reply], verdict: str) -> list[Reply]:
    return [row for row in rows if row["verdict"] == verdict]


@given(pools(), st.integers(0, 5))
def test_seed_set_is_the_three_right_replies_ranked_by_length(
    replies: list[Reply], min_gap: int
) -> None:
    expected: set[tuple[int, int, str]] = set()
    reasons: dict[int, str] = {}
    for problem, rows in by_problem(replies).items():
        first = {}
        for row in sorted(with_verdict(rows, "right"), key=lambda row: -row["sample"]):
            first[row["effort"]] = row
        three = sorted(first.values(), key=order)
        lengths = [row["thinking_tokens"] for row in three]
        if len(three) < 3:
            reasons[problem] = "not right at every effort"
        elif any(abs(a - b) <= min_gap for a, b in itertools.combinations(lengths, 2)):
            reasons[problem] = "gap too small"
        else:
            expected |= {
                (problem, replies.index(row), effort)
                for row, effort in zip(three, EFFORTS, strict=True)
            }
    kept, left_out = choose("seed", replies, min_gap)
    assert {(row["problem"], row["row"], row["effort"]) for row in kept} == expected
    assert left_out == reasons


def test_seed_set_needs_gaps_above_the_least_one() -> None:
    replies = [reply(0, "low", 10), reply(0, "medium", 20), reply(0, "high", 31)]
    assert len(choose("seed", replies, min_gap=9)[0]) == 3
    assert choose("seed", replies, min_gap=10)[1] == {0: "gap too small"}


def test_seed_set_renames_a_low_reply_that_came_out_longest() -> None:
    replies = [reply(0, "low", 90), reply(0, "medium", 20), reply(0, "high", 50)]
    kept, _ = choose("seed", replies)
    assert {row["row"]: row["effort"] for row in kept} == {0: "high", 1: "low", 2: "medium"}


def test_ranks_count_only_problems_right_at_every_effort() -> None:
    replies = [
        reply(0, "low", 90),
        reply(0, "medium", 20),
        reply(0, "high", 50),
        reply(1, "low", 1),
        reply(1, "medium", 2, "wrong"),
        reply(1, "high", 3),
    ]
    ranked = rank_efforts(make_pool(replies)).collect()
    assert ranked.select("effort", "rank").sort("effort").rows() == [
        ("low", "high"),
        ("medium", "low"),
        ("high", "medium"),
    ]


@given(st.one_of(pools(), pools(efforts=(None,))))
def test_shortest_is_the_shortest_right_reply(replies: list[Reply]) -> None:
    groups = by_problem(replies)
    right = {problem: with_verdict(rows, "right") for problem, rows in groups.items()}
    kept, left_out = choose("shortest", replies)
    assert {row["problem"]: row["row"] for row in kept} == {
        problem: replies.index(min(rows, key=order)) for problem, rows in right.items() if rows
    }
    assert all(row["effort"] is None for row in kept)
    assert left_out == {problem: "no right reply" for problem, rows in right.items() if not rows}


@given(pools(), st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_random_takes_a_right_reply_whatever_the_order(
    replies: list[Reply], seed: int, rng: random.Random
) -> None:
    kept, left_out = choose("random", replies, seed=seed)
    taken = {row["problem"]: replies[row["row"]] for row in kept}
    assert all(row["verdict"] == "right" for row in taken.values())
    assert set(taken) | set(left_out) == set(by_problem(replies))
    assert all(not with_verdict(by_problem(replies)[problem], "right") for problem in left_out)
    shuffled = rng.sample(replies, len(replies))
    again, _ = choose("random", shuffled, seed=seed)
    assert {row["problem"]: shuffled[row["row"]] for row in again} == taken


def test_random_is_uniform_and_follows_the_seed() -> None:
    replies = [
        reply(problem, effort, 5 + place)
        for problem in range(3000)
        for place, effort in enumerate(EFFORTS)
    ]
    draws = [choose("random", replies, seed=seed)[0] for seed in (1, 2)]
    counts = Counter(row["row"] % 3 for row in draws[0])
    # Each effort is drawn 1000 times, give or take five standard deviations.
    assert all(abs(counts[place] - 1000) < 130 for place in range(3))
    assert draws[0] != draws[1]


@given(st.one_of(pools(), pools(efforts=(None,))))
def test_pairs_reject_the_longest_wrong_and_a_too_short_wrong(replies: list[Reply]) -> None:
    expected: set[tuple[int, int, int, str]] = set()
    reasons: dict[int, str] = {}
    for problem, rows in by_problem(replies).items():
        right, wrong = with_verdict(rows, "right"), with_verdict(rows, "wrong")
        if not right or not wrong:
            reasons[problem] = "no right reply" if not right else "no wrong reply"
            continue
        best = min(right, key=order)
        longest = min(wrong, key=lambda row: (-row["thinking_tokens"], *order(row)[1:]))
        shortest = min(wrong, key=order)
        chosen = replies.index(best)
        expected.add((problem, chosen, replies.index(longest), "longest-wrong"))
        if shortest["thinking_tokens"] < best["thinking_tokens"] and shortest is not longest:
            expected.add((problem, chosen, replies.index(shortest), "shortest-wrong"))
    kept, left_out = choose("pairs", replies)
    found = {(row["problem"], row["row"], row["rejected"], row["rule"]) for row in kept}
    assert found == expected
    assert len(kept) == len(expected)
    assert left_out == reasons


@pytest.mark.parametrize(
    ("wrong", "rules"),
    [
        ([50, 5], ["longest-wrong", "shortest-wrong"]),
        ([50, 10], ["longest-wrong"]),  # not strictly shorter than the right one
        ([50, 40], ["longest-wrong"]),
        ([5], ["longest-wrong"]),  # both rules find the one reply
    ],
)
def test_pairs_written_for_wrong_lengths(wrong: list[int], rules: list[str]) -> None:
    replies = [reply(0, None, 10), reply(0, None, 30, sample=1)]
    replies += [reply(0, None, n, "wrong", 2 + i) for i, n in enumerate(wrong)]
    kept, _ = choose("pairs", replies)
    assert sorted(row["rule"] for row in kept) == rules
    assert {row["row"] for row in kept} == {0}


@pytest.mark.parametrize("rule", [name for name in RULES if name != "tokens"])
def test_a_failed_verifier_counts_as_neither_right_nor_wrong(rule: str) -> None:
    replies = [reply(0, effort, 10 * n, "error") for n, effort in enumerate(EFFORTS)]
    kept, left_out = choose(rule, replies)
    assert kept == []
    assert list(left_out) == [0]


@pytest.mark.parametrize("rule", RULES)
def test_rules_are_registered_with_advice(rule: str) -> None:
    advice: Callable[..., str] = RULES[rule].advice.format
    assert advice(min_gap=7)
