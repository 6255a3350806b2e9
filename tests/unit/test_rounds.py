import json
import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from z1.records import PROBLEM, TRAJECTORY
from z1.rounds import count_rounds, judge_rounds, split_rounds
from z1.tiny.sums import solve


@given(st.text(), st.integers(0, 10**6))
def test_rounds_joined_are_the_reply(text, seed):
    rng = random.Random(seed)
    for reply in (
        text,
        f"So it is 4.\n{text}\nThe answer is 5.\nWait, {text}\n\\boxed{{4}} {text}",
    ):
        assert "".join(split_rounds(reply)) == reply
    terms = [rng.randint(10, 99) for _ in range(4)]
    assert "".join(split_rounds(worked := solve(terms, "high", rng, 0.2))) == worked


def passes(terms, text):
    """What the teacher's own lines say: a total for each pass."""
    totals, lines = [], text.split("\n")[:-1]
    for start in [i for i, line in enumerate(lines) if line in ("check", "again")] + [len(lines)]:
        totals.append(int(lines[start - 1].rpartition("=")[2]))
    return [total == sum(terms) for total in totals]


def test_passes_of_a_sum_are_its_rounds_and_wrong_ones_are_found():
    rng = random.Random(0)
    sums = [[rng.randint(10, 99) for _ in range(rng.randint(2, 6))] for _ in range(60)]
    texts = [solve(terms, "high", rng, 0.1) for terms in sums]
    judged = judge_rounds(texts, [("exact", json.dumps(sum(terms))) for terms in sums])
    found = [[right for _, right in rounds] for rounds in judged]
    assert found == [passes(terms, text) for terms, text in zip(sums, texts, strict=True)]
    assert not all(all(rights) for rights in found)


@pytest.mark.parametrize(
    ("text", "rights"),
    [
        ("Adding both numbers gives eight.\nThe answer is 8.", [True]),
        (
            "Adding the two numbers, I get seven, so the answer is 7.\n"
            "Wait, 5 and 3 are eight and not seven, so the answer is 8.\n\\boxed{8}",
            [False, True],
        ),
        (
            "First way: count up from five.\n\\boxed{8}\n\n"
            "Second way: take two from ten, which is\n\\boxed{8}\nBoth agree.",
            [True, True],
        ),
        ("no answer at all", [False]),
    ],
)
def test_statements_of_an_answer_end_a_round(text, rights):
    [rounds] = judge_rounds([text], [("math", '"8"')])
    assert [right for _, right in rounds] == rights


def test_rounds_are_counted_by_effort_where_there_is_a_reference():
    problem = {"prompt": "5 + 3", "difficulty": None, "source": "test"}
    problems = pl.DataFrame(
        [
            {"id": "a", "answer": "8", "verifier": "exact", **problem},
            {"id": "q", "answer": None, "verifier": None, **problem},
        ],
        schema=PROBLEM,
    )
    rows = [
        ("a", "low", "5+3=8"),
        ("a", "high", "5+3=7\ncheck\n3+5=8\nagain\n5+3=8\n8"),
        ("a", "high", "5+3=8\ncheck\n3+5=8\n8"),
        ("q", "high", "check\nagain"),
    ]
    replies = pl.DataFrame(
        [
            {"problem_id": p, "effort": e, "sample": i, "text": t, "thinking_tokens": 1}
            for i, (p, e, t) in enumerate(rows)
        ],
        schema=TRAJECTORY,
    )
    low, high = count_rounds(replies, problems)
    assert (low["unjudged"], high["unjudged"]) == (0, 1)
    assert (low["effort"], low["replies"], low["rounds"], low["wrong_rounds"]) == ("low", 1, 1, 0)
    assert (high["replies"], high["rounds"], high["wrong_rounds"]) == (2, 2.5, 0.5)
    assert high["wrong_share"] == pytest.approx(0.2)
