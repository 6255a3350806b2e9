import json

import polars as pl
import pytest

from z1.engines.given import read_replies
from z1.errors import InputError
from z1.recipe import BaseModelSection

TINY = BaseModelSection(path="tiny")
PROBLEMS = pl.DataFrame({"id": ["a", "b"], "prompt": ["1 + 2", "3 + 4"]})


def read(tmp_path, *replies):
    path = tmp_path / "replies.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in replies))
    return read_replies(path, PROBLEMS, TINY)


def test_replies_find_their_problem_by_prompt(tmp_path):
    rows, dropped = read(
        tmp_path,
        {"prompt": " 1 +  2", "text": "3", "effort": "low"},
        {"prompt": "1 + 2", "text": "so 3", "effort": "low"},
        {"prompt": "9 + 9", "text": "18", "effort": "low"},
    )
    assert [(r["problem_id"], r["effort"], r["sample"]) for r in rows] == [
        ("a", "low", 0),
        ("a", "low", 1),
    ]
    assert [r["thinking_tokens"] for r in rows] == [1, 4]
    assert dropped == {"no problem of this split has the prompt": 1}


def test_without_efforts_length_decides(tmp_path):
    texts = ["1+2=3\n3", "3", "1+2=3\n2+1=3\n3"]
    rows, dropped = read(
        tmp_path,
        *[{"prompt": "1 + 2", "text": t} for t in ["=3\n3", *texts]],
        {"prompt": "3 + 4", "text": "7"},
    )
    assert {r["effort"]: r["text"] for r in rows} == {
        "low": texts[1],
        "medium": texts[0],
        "high": texts[2],
    }
    assert dropped == {"fewer than three without effort": 1, "more than three without effort": 1}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"replies\.jsonl, line 2: not JSON"),
        ("[]", r"replies\.jsonl, line 2: not a JSON object"),
        ('{"prompt": "1 + 2"}', r"replies\.jsonl, line 2: .*'text'"),
        (
            '{"prompt": "1 + 2", "text": "3", "effort": "max"}',
            r"replies\.jsonl, line 2: effort 'max'",
        ),
        ('{"prompt": "1 + 2", "text": "\\ud800"}', "line 2: text holds half of a surrogate pair"),
    ],
)
def test_a_broken_line_is_named(tmp_path, line, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, {"prompt": "1 + 2", "text": "3"}, line)


def test_a_file_in_which_nothing_fits_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="split: seed"):
        read(tmp_path, {"prompt": "8 + 8", "text": "16"})


def test_rows_of_the_papers_data_are_replies_to_no_effort(tmp_path):
    path = tmp_path / "z1.jsonl"
    row = {"id": 1, "question": "1 + 2", "response": "1+2=3\n3", "token_num_qwen": 99}
    path.write_text(json.dumps(row) + "\n" + json.dumps({**row, "effort": "low"}))
    rows, dropped = read_replies(path, PROBLEMS, TINY, efforts=False)
    assert [(r["problem_id"], r["effort"], r["sample"]) for r in rows] == [
        ("a", None, 0),
        ("a", None, 1),
    ]
    assert [r["thinking_tokens"] for r in rows] == [7, 7]
    assert dropped == {}
    with pytest.raises(InputError, match="split: train"):
        read_replies(path, PROBLEMS.clear(), TINY, efforts=False)


def test_a_file_of_which_all_is_dropped_says_what_to_do(tmp_path):
    pair = [{"prompt": "1 + 2", "text": text} for text in ("3", "1+2=3")]
    with pytest.raises(InputError, match=r"none of its 2 replies .* give each its 'effort'"):
        read(tmp_path, *pair)
