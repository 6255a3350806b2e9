import json

import polars as pl
import pytest

from z1.engines import Request, open_engine, sample_parts
from z1.errors import InputError
from z1.models import encode_prompt
from z1.recipe import BaseModelSection, ThinkingWindow
from z1.records import WINDOWED
from z1.tiny import write_tiny

TINY = BaseModelSection(path="tiny")
PROMPTS = ["23 + 45", "1 + 2 + 3", "10 + 20 + 30 + 40", "99 + 99", "5 + 5 + 5 + 5 + 5 + 5"]


@pytest.fixture(scope="module")
def sampling(demo):
    return demo.generate.model_copy(update={"batch_size": 2, "max_tokens": 40})


def ask(sampling, seed=0, **changes):
    engine = open_engine(sampling.model_copy(update=changes), TINY)
    return engine.sample([Request(prompt, None) for prompt in PROMPTS], seed)


def test_greedy_replies_do_not_depend_on_the_batch(sampling):
    alone = ask(sampling, temperature=0.0, batch_size=1)
    together = ask(sampling, temperature=0.0, batch_size=5)
    assert alone == together
    assert "23+45=68" in alone[0].text


def test_the_seed_decides_what_is_sampled(sampling):
    hot = {"temperature": 3.0}
    assert ask(sampling, seed=1, **hot) == ask(sampling, seed=1, **hot)
    assert ask(sampling, seed=1, **hot) != ask(sampling, seed=2, **hot)


def test_a_small_top_p_is_greedy(sampling):
    assert ask(sampling, temperature=3.0, top_p=1e-6) == ask(sampling, temperature=0.0)


def test_tokens_and_finish_are_those_of_the_text(sampling):
    for reply in ask(sampling, temperature=0.0, max_tokens=15):
        # The tiny model reads bytes: a token a character.
        assert reply.thinking_tokens == len(reply.text)
        assert (reply.finish_reason == "length") == (reply.thinking_tokens == 15)
    assert {r.finish_reason for r in ask(sampling, temperature=0.0, max_tokens=15)} == {
        "stop",
        "length",
    }


def test_parts_that_are_there_are_not_made_again(sampling, tmp_path):
    requests = pl.DataFrame(
        [(f"p{i}", prompt, None, 0) for i, prompt in enumerate(PROMPTS)],
        schema=["problem_id", "prompt", "effort", "sample"],
        orient="row",
    )
    engine = open_engine(sampling.model_copy(update={"temperature": 2.0}), TINY)
    seen = []
    sample_parts(engine, requests, tmp_path, 7, 2, lambda done, total: seen.append((done, total)))
    whole = pl.read_parquet(tmp_path)
    assert whole["problem_id"].to_list() == ["p0", "p1", "p2", "p3", "p4"]
    assert seen[-1] == (5, 5)
    (tmp_path / "part-00001.parquet").unlink()
    kept = (tmp_path / "part-00000.parquet").stat().st_mtime_ns
    sample_parts(engine, requests, tmp_path, 7, 2, lambda *_: None)
    assert pl.read_parquet(tmp_path).equals(whole)
    assert (tmp_path / "part-00000.parquet").stat().st_mtime_ns == kept


def test_a_model_that_is_not_there_is_named(sampling):
    with pytest.raises(InputError, match="no/such-model"):
        open_engine(sampling, "no/such-model")


HINT = "\nanswer\n"
BUDGETS = [0, 1, 3, 8, 30, None]


def ask_within(sampling, budgets, prompts=PROMPTS, window=None, **changes):
    changes = {"temperature": 0.0, "max_tokens": 80, **changes}
    window = window or ThinkingWindow(hint=HINT, reserve=8)
    engine = open_engine(sampling.model_copy(update=changes), TINY, window=window)
    asked = [Request(prompt, None, budget) for prompt in prompts for budget in budgets]
    return asked, engine.sample(asked, 0)


def test_each_row_of_a_batch_has_its_own_budget(sampling):
    asked, replies = ask_within(sampling, BUDGETS, batch_size=40)
    whole = dict(zip(PROMPTS, ask(sampling, temperature=0.0, max_tokens=80), strict=True))
    closed = 0
    for request, reply in zip(asked, replies, strict=True):
        free = whole[request.prompt].text
        if request.budget is None or len(free) < request.budget:
            assert (reply.text, reply.reasoning, reply.hint_tokens) == (free, None, 0)
            continue
        closed += 1
        # The tiny model reads bytes: a token a character.
        assert reply.reasoning == free[: request.budget]
        assert reply.thinking_tokens == request.budget
        assert reply.hint_tokens == len(HINT)
        assert reply.answer_tokens == len(reply.text)
        tokens = reply.token_ids
        assert len(tokens) == request.budget + len(HINT) + reply.answer_tokens
    assert closed > 10


def test_windows_do_not_depend_on_the_batch(sampling):
    assert ask_within(sampling, BUDGETS, batch_size=1) == ask_within(sampling, BUDGETS)


def test_a_reply_that_closed_its_own_tag_is_left_alone(sampling):
    window = ThinkingWindow(hint=HINT, reserve=8, delimiter="=")
    _, [free, delimited] = ask_within(sampling, [None, 12], ["10 + 20 + 30 + 40"], window)
    assert "=" in free.text[:12]
    assert free == delimited


@pytest.mark.parametrize(
    ("window", "budget", "message"),
    [
        (ThinkingWindow(hint=HINT, reserve=8), 100, "at most 64"),
        (ThinkingWindow(hint="ok<|end|>"), 1, "ends a reply"),
        (ThinkingWindow(hint=HINT), -1, "0 or more"),
    ],
)
def test_a_window_that_does_not_fit_is_refused(sampling, window, budget, message):
    with pytest.raises(InputError, match=message):
        ask_within(sampling, [budget], window=window)


def test_windows_are_in_the_table(sampling, tmp_path):
    requests = pl.DataFrame(
        [("p", PROMPTS[2], None, 0, 5), ("q", PROMPTS[2], None, 0, None)],
        schema=["problem_id", "prompt", "effort", "sample", "budget"],
        orient="row",
    )
    window = ThinkingWindow(hint=HINT, reserve=8)
    engine = open_engine(sampling.model_copy(update={"temperature": 0.0}), TINY, window=window)
    sample_parts(engine, requests, tmp_path, 0, 8, lambda done, total: None)
    closed, free = pl.read_parquet(tmp_path).to_dicts()
    assert list(closed) == list(WINDOWED.names())
    assert closed["reasoning"] == (free["text"])[:5]
    assert (closed["budget"], closed["thinking_tokens"]) == (5, 5)
    assert (free["budget"], free["reasoning"], free["hint_tokens"]) == (None, None, 0)


def test_a_reply_ends_where_the_context_is_full(sampling, tmp_path):
    """Two prompts in one batch, each with the rest of the context for its reply."""
    write_tiny(tmp_path / "short")
    config = tmp_path / "short" / "config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps(content | {"max_position_embeddings": 40}))
    requests = [Request(prompt, None) for prompt in ("5 + 5 + 5 + 5", "1 + 2 + 3")]
    greedy = sampling.model_copy(update={"temperature": 0.0, "max_tokens": 60})
    whole = open_engine(greedy, TINY).sample(requests, 0)
    engine = open_engine(greedy, str(tmp_path / "short"))
    cut = engine.sample(requests, 0)
    for request, reply, full in zip(requests, cut, whole, strict=True):
        room = 40 - len(encode_prompt(engine.tokenizer, request.prompt, None))
        assert reply.text == full.text[:room]  # a byte is a token
        assert reply.finish_reason == ("stop" if full.thinking_tokens < room else "length")
    assert "length" in {reply.finish_reason for reply in cut}
    with pytest.raises(InputError, match="leaves nothing of the model's context of 40"):
        engine.sample([Request("1 + " * 20, None)], 0)


def test_a_window_that_does_not_fit_into_the_context_is_refused_with_advice(sampling):
    engine = open_engine(
        sampling.model_copy(update={"max_tokens": 2000}), TINY, window=ThinkingWindow(reserve=8)
    )
    with pytest.raises(InputError, match=r"give a budget of at most \d+, which a prompt of"):
        engine.sample([Request("1 + 1", None, 450)], 0)
