import polars as pl

from z1.evaluation.counting import count_hidden, recount
from z1.models import load_tokenizer
from z1.records import TRAJECTORY, WINDOWED


def reply(text, **changes):
    return {"problem_id": "p", "sample": 0, "text": text, "thinking_tokens": 7, **changes}


def test_all_replies_are_counted_by_the_one_tokenizer():
    tokenizer = load_tokenizer("tiny")  # a character is a token
    rows = [reply("1+2=3"), reply(""), reply("12"), reply("12")]
    counted = recount(pl.DataFrame(rows, schema=TRAJECTORY), tokenizer)
    assert counted["thinking_tokens"].to_list() == [5, 0, 2, 2]
    rows = [reply("3", reasoning="1+2", hint_tokens=8), reply("1+2=3", hint_tokens=0)]
    counted = recount(pl.DataFrame(rows, schema=WINDOWED), tokenizer)
    assert counted["thinking_tokens"].to_list() == [3, 5]
    assert recount(pl.DataFrame(schema=WINDOWED), tokenizer).is_empty()


def test_hidden_thinking_is_as_many_times_longer_as_the_server_says():
    tokenizer = load_tokenizer("tiny")
    rows = [reply("x" * 100, thinking_tokens=1200, hidden_tokens=900), reply("x" * 100)]
    counted = recount(pl.DataFrame(rows, schema=TRAJECTORY), tokenizer)
    assert counted["thinking_tokens"].to_list() == [300, 100]
    assert count_hidden(0, hidden=900, whole=900) == 900
