import polars as pl
import pytest

from z1.engines import Reply, Request
from z1.evaluation.budgets import BUDGETED, TaggedEngine, summarise_budgets, truncate
from z1.models import load_tokenizer
from z1.records import PROBLEM, WINDOWED
from z1.tiny import MODEL

PROBLEMS = pl.DataFrame(
    [
        {
            "id": f"p{i}",
            "prompt": f"{i} + 1",
            "answer": f'"{i + 1}"',
            "verifier": "exact",
            "difficulty": ["10 numbers", "2 numbers"][i % 2],
            "source": "test",
        }
        for i in range(4)
    ],
    schema=PROBLEM,
)


def windowed(name="p0", closed=True, budget=5):
    row = {
        "problem_id": name,
        "effort": None,
        "sample": 0,
        "text": "answer",
        "thinking_tokens": budget if closed else 3,
        "finish_reason": "stop",
        "budget": budget,
        "reasoning": "thought" if closed else None,
        "hint_tokens": 8 if closed else 0,
        "answer_tokens": 2 if closed else 0,
    }
    return pl.DataFrame([row], schema=WINDOWED)


def judged(verdicts, **curve):
    replies = pl.concat([windowed(f"p{i}", closed=i % 2 == 0) for i in range(4)])
    return replies.with_columns(
        pl.Series("verdict", verdicts, BUDGETED["verdict"]),
        reason=pl.lit(None, pl.String),
        **{name: pl.lit(value) for name, value in curve.items()},
    ).select(BUDGETED.names())


def test_truncation_leaves_what_was_there_when_the_budget_was_spent():
    cut = truncate(windowed()).row(0, named=True)
    assert (cut["text"], cut["finish_reason"]) == ("thought", "length")
    assert (cut["thinking_tokens"], cut["hint_tokens"], cut["answer_tokens"]) == (5, 0, 0)
    ended = truncate(windowed(closed=False))
    assert ended.equals(windowed(closed=False))


def test_figures_are_means_over_problems_with_hints_and_answers_apart():
    replies = pl.concat(
        [
            judged(["right", "wrong", "right", "right"], model="tops", method="truncation"),
            judged(["right", "error", "wrong", "wrong"], model="tops-stop", method="window"),
        ]
    )
    first, second = summarise_budgets(replies, PROBLEMS)
    assert (first["model"], first["method"], first["budget"]) == ("tops-stop", "window", 5)
    assert second["method"] == "truncation"
    assert first["problems"] == 4
    assert first["accuracy"] == first["accuracy_alone"] == 0.25
    assert first["accuracy_stderr"] == pytest.approx(0.25)
    assert first["thinking_tokens"] == 4  # half of them 5, half of them 3
    assert first["thinking_tokens_stderr"] == pytest.approx(1 / 3**0.5)
    assert (first["hint_tokens"], first["answer_tokens"], first["closed"]) == (4, 1, 0.5)
    assert list(first["by_difficulty"]) == ["2 numbers", "10 numbers"]
    assert first["by_difficulty"]["10 numbers"]["accuracy"] == 0.5
    assert second["by_difficulty"]["2 numbers"]["problems"] == 2


def test_replies_cut_by_truncation_count_as_stopped():
    replies = truncate(judged(["right"] * 4, model="tops", method="truncation"))
    [row] = summarise_budgets(replies, PROBLEMS)
    assert row["closed"] == 0.5
    assert row["hint_tokens"] == 0


class Given:
    """An engine that answers with the replies it was given."""

    def __init__(self, replies):
        self.replies = replies

    def sample(self, requests, seed):
        return self.replies


def test_what_follows_a_tag_that_the_model_closed_itself_is_its_answer():
    tokenizer = load_tokenizer(str(MODEL))
    text = "2+3=5\n}\n5"
    ids = tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
    by_itself = Reply(text, len(ids), "stop", token_ids=ids)
    no_tag = Reply("2+3=5", 5, "stop", token_ids=ids[:5])
    forced = Reply("5", 5, "stop", "2+3=5", 3, 1, ids)
    engine = TaggedEngine(Given([by_itself, no_tag, forced]), tokenizer, "\n}\n")
    found = engine.sample([Request("2 + 3", None, 20)] * 3, 0)
    assert found[1:] == [no_tag, forced]
    assert (found[0].text, found[0].reasoning) == ("5", "2+3=5")
    # The tag's own three tokens are neither thinking nor answer, and no hint.
    assert (found[0].thinking_tokens, found[0].answer_tokens, found[0].hint_tokens) == (5, 1, 0)
