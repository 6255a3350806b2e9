"""How replies are divided: by ids, whole or streamed, with the same outcome."""

import copy

import pytest

from z1.models import load_tokenizer
from z1.serving.asking import Asked
from z1.serving.replies import Stream, count_ends, count_whole, divide_reply
from z1.serving.text import Decoder
from z1.window import Window

TOKENIZER = load_tokenizer("tiny")
END = TOKENIZER.eos_token_id
HINT = "\nanswer\n"
ASKED = Asked(True, False, None, False, (), False, False, True)


def ids(text):
    return TOKENIZER(text, add_special_tokens=False)["input_ids"]


def window(budget):
    return Window(budget, tuple(ids(HINT)))


def whole(text, ended=True):
    tokens = ids(text) + [END] * ended
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, "reasoning": None},
        "finish_reason": "stop" if ended else "length",
        "stop_reason": None,
        "token_ids": tokens,
    }
    usage = {"completion_tokens": len(tokens)}
    return {"choices": [choice], "usage": usage, "prompt_token_ids": [1]}


def chunks(text, ended=True, size=1):
    """A stream of the reply as vLLM makes it."""
    tokens = ids(text) + [END] * ended
    yield {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    decoder = Decoder(TOKENIZER, special=False)
    for start in range(0, len(tokens), size):
        part = tokens[start : start + size]
        delta = {"content": decoder.push(part)}
        choice = {"index": 0, "delta": delta, "finish_reason": None, "token_ids": part}
        if start + size >= len(tokens):
            choice |= {"finish_reason": "stop" if ended else "length", "stop_reason": None}
        yield {"choices": [choice]}
    yield {"choices": [], "usage": {"completion_tokens": len(tokens)}}


def assemble(stream):
    """Put chunks together as any client does."""
    message, last, usage, draft = {"reasoning": None, "content": ""}, {}, None, ""
    for chunk in stream:
        for choice in chunk["choices"]:
            draft += choice["delta"].get("draft", "")
            for key in message:
                if (piece := choice["delta"].get(key)) is not None:
                    message[key] = (message[key] or "") + piece
            last = choice
        usage = chunk.get("usage", usage)
    return message, last.get("window"), usage["completion_tokens_details"], draft


def divided(text, budget, ended=True):
    reply = whole(text, ended)
    divide_reply(reply, window(budget), ASKED, TOKENIZER)
    choice = reply["choices"][0]
    message = {key: choice["message"][key] for key in ("reasoning", "content")}
    return message, choice["window"], reply["usage"]["completion_tokens_details"]


@pytest.mark.parametrize("budget", [0, 1, 5])
def test_a_closed_window_parts_thinking_from_answer(budget):
    thinking = "23+45"[:budget]
    message, told, details = divided(f"{thinking}{HINT}68", budget)
    assert message == {"reasoning": thinking, "content": "68"}
    assert told == {
        "closed": True,
        "budget": budget,
        "thinking_tokens": budget,
        "hint_tokens": 8,
        "answer_tokens": 2,
    }
    assert details == {"reasoning_tokens": budget, "hint_tokens": 8}


@pytest.mark.parametrize("budget", [6, 50])
def test_a_reply_that_ended_by_itself_is_all_content(budget):
    message, told, details = divided("23+45", budget)
    assert message == {"reasoning": None, "content": "23+45"}
    assert (told["closed"], told["thinking_tokens"]) == (False, 5)
    assert details == {"reasoning_tokens": 5, "hint_tokens": 0}  # the end token is none of them


def test_the_hints_own_text_in_the_thinking_changes_nothing():
    message, _, _ = divided(f"1{HINT}2{HINT}3", 10)
    assert message == {"reasoning": f"1{HINT}2", "content": "3"}


def test_an_engine_that_left_a_window_open_is_found_out():
    with pytest.raises(RuntimeError, match="did not close"):
        divided("23+45=68\n68", 5)


@pytest.mark.parametrize("size", [1, 3, 7, 100])
@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize(
    ("text", "budget"),
    [
        (f"23+45{HINT}68", 5),
        (f"{HINT}68", 0),
        (f"é{HINT}é68", 2),
        (f"é{HINT}68", 2),
        (f"23+45{HINT}", 5),
        ("23+45=68", 50),
        ("23+45=68", 9),
    ],
)
def test_a_stream_put_together_is_the_whole_reply(text, budget, ended, size):
    stream = Stream(window(budget), ASKED, TOKENIZER)
    made = list(chunks(text, ended, size))
    for chunk in made:
        stream.divide(chunk)
    *same, draft = assemble(made)
    assert tuple(same) == divided(text, budget, ended)
    message = same[0]
    assert (message["reasoning"] or message["content"]).startswith(draft)


def test_a_character_cut_by_the_budget_is_cut_alike_in_a_stream():
    first = ids("é")[0]
    tokens = [first, *ids(HINT), *ids("6"), END]
    choice = {"index": 0, "finish_reason": "stop", "token_ids": tokens, "message": {}}
    reply = {"choices": [choice]}
    divide_reply(reply, window(1), ASKED, TOKENIZER)
    stream = Stream(window(1), ASKED, TOKENIZER)
    text = ""
    for i, token in enumerate(tokens):
        end = "stop" if i == len(tokens) - 1 else None
        chunk = {"index": 0, "delta": {}, "finish_reason": end, "token_ids": [token]}
        stream.divide({"choices": [chunk]})
        text += chunk["delta"].get("reasoning", "")
    assert text == choice["message"]["reasoning"] == "\N{REPLACEMENT CHARACTER}"


def test_before_the_window_closes_a_stream_tells_no_more_than_a_draft():
    made = list(chunks(f"23+45{HINT}68"))
    stream = Stream(window(5), ASKED, TOKENIZER)
    for chunk in made:
        stream.divide(chunk)
    deltas = [chunk["choices"][0]["delta"] for chunk in made[:-1]]
    assert deltas[0] == {"role": "assistant"}
    assert deltas[1:6] == [*({"draft": c} for c in "23+4"), {"reasoning": "23+45"}]
    assert [delta.get("content", "") for delta in deltas[6:]] == [*[""] * 8, "6", "8", ""]


def test_ids_stay_only_where_the_client_wants_them():
    for wanted in (False, True):
        reply = whole("1")
        divide_reply(reply, window(9), ASKED._replace(token_ids=wanted), TOKENIZER)
        assert ("token_ids" in reply["choices"][0]) == ("prompt_token_ids" in reply) == wanted


def test_a_stop_string_ends_the_answer_and_is_no_end_token():
    reply = whole(f"2{HINT}68=1", ended=False)
    reply["choices"][0] |= {"finish_reason": "stop", "stop_reason": "="}
    reply["choices"][0]["token_ids"] = reply["choices"][0]["token_ids"][:-1]
    divide_reply(reply, window(1), ASKED._replace(stops=("=",)), TOKENIZER)
    choice = reply["choices"][0]
    assert choice["message"]["content"] == "68"
    assert choice["window"]["answer_tokens"] == 3


def test_a_reply_without_a_window_is_all_thinking():
    reply = whole("23+45")
    kept = copy.deepcopy(reply["choices"])
    count_whole(reply, count_ends(reply))
    assert reply["choices"] == kept
    assert reply["usage"]["completion_tokens_details"]["reasoning_tokens"] == 5
