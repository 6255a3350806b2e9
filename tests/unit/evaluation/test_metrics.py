import math
import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from z1.evaluation.metrics import EVALUATED, natural_key, per_problem, summarise
from z1.records import PROBLEM
from z1.verifiers import HEAD_NEEDED


def problem(name, difficulty=None):
    return {
        "id": name,
        "prompt": f"{name}?",
        "answer": '"1"',
        "verifier": "exact",
        "difficulty": difficulty,
        "source": "test",
    }


def reply(name, verdict, seed=1, text="1", tokens=10, model="tops", effort=None, temperature=1.0):
    return {
        "model": model,
        "temperature": temperature,
        "seed": seed,
        "problem_id": name,
        "effort": effort,
        "sample": 0,
        "text": text,
        "thinking_tokens": tokens,
        "finish_reason": "length" if text == "cut" else "stop",
        "verdict": verdict,
        "reason": None,
    }


def tables(replies, problems):
    return pl.DataFrame(replies, schema=EVALUATED), pl.DataFrame(problems, schema=PROBLEM)


def figures(replies, problems):
    table, known = tables(replies, problems)
    return summarise(table, per_problem(table, known))


def test_figures_of_a_small_table_worked_out_by_hand():
    rows = [
        reply("a", "right", seed=1, text="so\n1", tokens=4),
        reply("a", "wrong", seed=2, text="2", tokens=6),
        reply("b", "right", seed=1, text="1", tokens=20),
        reply("b", "right", seed=2, text="cut", tokens=30),
        reply("c", "error", seed=1, text="", tokens=0),
        reply("c", "wrong", seed=2, text="", tokens=0),
    ]
    problems = [problem("a", "2"), problem("b", "10"), problem("c", "10")]
    (row,) = figures(rows, problems)
    assert (row["name"], row["effort"], row["temperature"]) == ("tops", None, 1.0)
    assert (row["problems"], row["seeds"], row["replies"], row["errors"]) == (3, 2, 6, 1)
    # Problem means 0.5, 1 and 0: mean 0.5, standard deviation 0.5.
    assert row["accuracy"] == pytest.approx(0.5)
    assert row["accuracy_stderr"] == pytest.approx(0.5 / math.sqrt(3))
    assert row["accuracy_by_seed"] == pytest.approx([2 / 3, 1 / 3])
    assert row["thinking_tokens"] == pytest.approx(10)
    assert row["thinking_tokens_stderr"] == pytest.approx(np.std([5, 25, 0], ddof=1) / math.sqrt(3))
    assert row["cut_share"] == pytest.approx(1 / 6)
    assert row["distinct_answers"] == pytest.approx((2 + 2 + 1) / 3)
    assert list(row["by_difficulty"]) == ["2", "10"]
    assert row["by_difficulty"]["2"]["accuracy_stderr"] is None
    assert row["by_difficulty"]["10"]["problems"] == 2
    assert row["by_difficulty"]["10"]["accuracy"] == pytest.approx(0.5)
    assert row["by_difficulty"]["10"]["thinking_tokens"] == pytest.approx(12.5)


def test_efforts_models_and_temperatures_are_told_apart_and_ordered():
    rows = [
        reply("a", verdict, model=model, effort=effort, temperature=temperature)
        for model, effort, verdict in [
            ("tops", None, "right"),
            ("tag", "high", "wrong"),
            ("tag", "low", "right"),
            ("base", None, "wrong"),
        ]
        for temperature in (0.0, 1.0)
    ]
    found = figures(rows, [problem("a")])
    assert [(m["name"], m["effort"], m["temperature"], m["accuracy"]) for m in found] == [
        ("base", None, 1.0, 0.0),
        ("base", None, 0.0, 0.0),
        ("tag", "low", 1.0, 1.0),
        ("tag", "high", 1.0, 0.0),
        ("tag", "low", 0.0, 1.0),
        ("tag", "high", 0.0, 0.0),
        ("tops", None, 1.0, 1.0),
        ("tops", None, 0.0, 1.0),
    ]
    assert all(m["by_difficulty"] == {} and m["seeds"] == 1 for m in found)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 99)), min_size=2, max_size=12))
def test_the_same_replies_under_more_seeds_do_not_make_the_figures_surer(drawn):
    problems = [problem(f"p{i}") for i in range(len(drawn))]

    def under(seeds):
        rows = [
            reply(f"p{i}", "right" if right else "wrong", seed=seed, tokens=tokens)
            for i, (right, tokens) in enumerate(drawn)
            for seed in range(seeds)
        ]
        (row,) = figures(rows, problems)
        return row

    once, often = under(1), under(4)
    assert often["seeds"] == 4
    for name in ("accuracy", "accuracy_stderr", "thinking_tokens", "thinking_tokens_stderr"):
        assert often[name] == pytest.approx(once[name])
    assert once["accuracy"] == pytest.approx(np.mean([right for right, _ in drawn]))


def test_the_standard_error_covers_new_problems_and_new_seeds():
    """Against the spread of the accuracy over many experiments, each with problems of its own."""
    rng = np.random.default_rng(0)
    problems, seeds = 100, 3

    def experiment():
        chances = rng.beta(1, 1, problems)
        right = rng.random((problems, seeds)) < chances[:, None]
        return right.mean(axis=1)

    means = [experiment() for _ in range(2000)]
    spread = np.std([m.mean() for m in means])
    stated = np.mean([m.std(ddof=1) / math.sqrt(problems) for m in means])
    assert stated == pytest.approx(spread, rel=0.1)
    rows = [
        reply(f"p{i}", "right" if k < round(seeds * mean) else "wrong", seed=k)
        for i, mean in enumerate(means[0])
        for k in range(seeds)
    ]
    (row,) = figures(rows, [problem(f"p{i}") for i in range(problems)])
    assert row["accuracy_stderr"] == pytest.approx(means[0].std(ddof=1) / math.sqrt(problems))


def test_per_problem_keeps_a_row_for_each_problem_in_order():
    rows = [reply(name, "right", seed=seed) for name in "cab" for seed in (1, 2)]
    means = per_problem(*tables(rows, [problem(name) for name in "abc"]))
    assert means["problem_id"].to_list() == ["a", "b", "c"]


@given(st.lists(st.integers(0, 10**6), unique=True), st.sampled_from(["", "Level ", "n="]))
def test_labels_sort_by_the_numbers_in_them(numbers, before):
    labels = [f"{before}{number}" for number in numbers]
    random.Random(0).shuffle(labels)
    assert sorted(labels, key=natural_key) == [f"{before}{number}" for number in sorted(numbers)]


@given(st.lists(st.text()))
def test_any_labels_can_be_sorted(labels):
    assert sorted(sorted(labels, key=natural_key)) == sorted(labels)


def test_programs_that_need_the_head_of_the_problem_are_not_right_alone():
    needs = {"reason": f"{HEAD_NEEDED}; blocked: file /etc/shadow"}
    rows = [
        reply("a", "right"),
        reply("b", "right") | needs,
        reply("c", "wrong") | {"reason": "test 1: wrong answer"},
        reply("d", "right") | {"reason": "blocked: file /etc/shadow"},
    ]
    (row,) = figures(rows, [problem(name, "1") for name in "abcd"])
    assert (row["accuracy"], row["accuracy_alone"]) == (0.75, 0.5)
    assert row["by_difficulty"]["1"]["accuracy_alone"] == 0.5
