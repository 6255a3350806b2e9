"""The procedural verifier on problems of reasoning-gym, as they come back from JSON."""

import json
from typing import Any

import pytest
import reasoning_gym

from z1.verifiers import check as verdict_of
from z1.verifiers.procedural import check
from z1.verifiers.reference import AnswerError

DATASETS = [
    "chain_sum", "basic_arithmetic", "gcd", "prime_factorization", "number_sorting", "mini_sudoku",
    "rotate_matrix", "knights_knaves", "game_of_life_halting", "word_sorting", "simple_equations",
    "time_intervals", "n_queens", "arc_agi", "polynomial_equations",
]  # fmt: skip
ONE_LINE = ["{}", "2+2=4\n{}", "The answer is {}", "**Answer:** {}", "It is.\n<answer>{}</answer>"]


def entries(dataset: str) -> list[dict[str, Any]]:
    return [
        json.loads(json.dumps(e)) for e in reasoning_gym.create_dataset(dataset, seed=1, size=2)
    ]


@pytest.mark.parametrize("dataset", DATASETS)
def test_an_entrys_own_answer_is_right_and_another_wrong(dataset: str) -> None:
    first, second = entries(dataset)
    for style in ONE_LINE:
        assert check(first, style.format(first["answer"])) is None, style
    if first["answer"] != second["answer"]:
        assert check(first, f"{first['answer']}\n<answer>{second['answer']}</answer>")
        assert check(first, second["answer"])
    assert check(first, "")
    assert check(first, "zzz zzz")


def test_only_the_answer_of_a_worked_sum_counts() -> None:
    entry = {"answer": "61", "metadata": {"source_dataset": "chain_sum"}}
    assert check(entry, "23+45=68\n68-7=61\n61") is None
    assert check(entry, "23+45=68\n68-7=61\ncheck\n-7+45=38\n38+23=61\n61") is None
    assert check(entry, "23+45=68\n68-7=61") is None
    assert check(entry, "61\n62")
    assert check(entry, "23+45=68\n68-7=61\n6")
    assert check(entry, "161")


def test_a_part_of_a_point_is_wrong() -> None:
    # The dataset's scorer gives 1/2 or so for text that holds the answer.
    entry = {"answer": "61", "metadata": {"source_dataset": "basic_arithmetic"}}
    assert check(entry, "The answer is 61 or 62")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("61", "entry"),
        ({"answer": "61"}, "metadata"),
        ({"answer": "61", "metadata": {}}, "source_dataset"),
        ({"answer": "61", "metadata": {"source_dataset": "nope"}}, "no dataset 'nope'"),
    ],
)
def test_a_reference_that_cannot_be_scored_is_refused(reference: Any, message: str) -> None:
    with pytest.raises(AnswerError, match=message):
        check(reference, "61")


def test_an_entry_whose_own_answer_fails_is_the_references_fault() -> None:
    entry = entries("arc_agi")[0]
    del entry["metadata"]["output"]
    assert verdict_of("procedural", entry, "2 × 2").verdict == "error"
