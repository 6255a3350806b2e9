"""Reference answers run through their own verifiers."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from z1.errors import InputError
from z1.problems.check import check_file, check_problems, find_source_mistakes, write_reply


def check(*problems: tuple[str, Any]) -> list[int]:
    """Return the numbers of the problems whose answer fails."""
    rows = [
        {"number": number, "verifier": verifier, "answer": json.dumps(answer)}
        for number, (verifier, answer) in enumerate(problems)
    ]
    failing = check_problems(pl.DataFrame(rows))
    assert failing["reason"].null_count() == 0
    return failing["number"].to_list()


SUM = {"question": "2 + 3 =", "answer": "5", "metadata": {"source_dataset": "chain_sum"}}


def test_good_answers_pass_and_bad_ones_are_found() -> None:
    assert check(
        ("math", r"\frac{1}{2}"),
        ("math", 42),
        ("math", -0.5),
        ("math", "$x^2 + 1$"),
        ("choice", "B"),
        ("choice", 7.5),  # no letter
        ("exact", "Paris"),
        ("exact", 12),
        ("procedural", SUM),
        ("procedural", {**SUM, "metadata": {"source_dataset": "no_such"}}),
        ("procedural", {"question": "?", "metadata": {"source_dataset": "chain_sum"}}),
        ("procedural", "5"),
    ) == [5, 9, 10, 11]


@pytest.mark.parametrize(
    ("verifier", "answer", "reply"),
    [
        ("math", "42", r"\boxed{42}"),
        ("math", r"\boxed{42}", r"\boxed{42}"),
        ("math", 0.5, r"\boxed{0.5}"),
        ("math", [1, "x"], r"\boxed{1, x}"),
        ("choice", "(B)", "(B)"),
        ("exact", True, "true"),
        ("procedural", SUM, "5"),
    ],
)
def test_an_answer_is_written_as_a_reply(verifier: str, answer: Any, reply: str) -> None:
    assert write_reply(verifier, answer) == reply


def test_a_file_is_counted_or_its_failing_lines_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    good = {"prompt": "a", "answer": "B", "verifier": "choice"}
    bad = {"prompt": "b", "answer": "neither of them", "verifier": "choice"}
    path.write_text("\n".join(map(json.dumps, [good, good, good])))
    assert check_file(path) == 3
    path.write_text("\n".join(map(json.dumps, [good, bad, good, bad])))
    with pytest.raises(InputError) as caught:
        check_file(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    for line, number in zip(lines[1:], (2, 4), strict=True):
        assert f"{path}, line {number}: verifier 'choice' refuses" in line


def test_mistakes_in_all_procedural_sources_are_found_at_once() -> None:
    made = {"kind": "procedural", "dataset": "chain_sum", "count": 3}
    sources = [
        {**made, "config": {"terms": 2}, "prompt": "{expr}"},
        {**made, "prompt": "{expression} = ?"},
        {**made, "dataset": "sum_chain"},
        {**made, "count": "many"},  # said already by the recipe
        {"kind": "file", "path": "mine.jsonl"},
    ]
    found = find_source_mistakes({"problems": {"sources": sources}})
    assert [mistake.split(": ")[0] for mistake in found] == [
        "problems.sources.0.config.terms",
        "problems.sources.0.prompt",
        "problems.sources.2.dataset",
    ]
    assert find_source_mistakes({"problems": 1}) == find_source_mistakes(None) == []
