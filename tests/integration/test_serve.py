"""`z1 serve` as its users see it: a real server, the official client, hundreds of requests at once.

What is a token and how many there are is said by the model's tokenizer, not by the server.
"""

import asyncio
import json
import random
import re
import urllib.error
import urllib.request
from typing import Any, NamedTuple

import pytest
import torch
from openai import AsyncOpenAI, AuthenticationError, BadRequestError, OpenAI

from z1.engines import Request, open_engine
from z1.models import load_model, load_tokenizer
from z1.recipe import Endpoint, ThinkingWindow

HINT = "\nanswer\n"
KEY = "secret"
BUDGETS = [0, 1, 7, 25, 400, None]
pytestmark = pytest.mark.timeout(1800)


class Ask(NamedTuple):
    """A request; all that decides its reply."""

    prompt: str
    budget: int | None
    temperature: float
    seed: int
    effort: str | None = None


class Got(NamedTuple):
    """A reply as a client puts it together."""

    reasoning: str | None
    content: str
    ids: list[int]
    window: dict[str, Any] | None
    usage: dict[str, Any]
    finish: str


@pytest.fixture(scope="module")
def tokenizer(served):
    return load_tokenizer(str(served.model))


@pytest.fixture(scope="module")
def client(served):
    return OpenAI(base_url=f"{served.url}/v1", api_key=KEY, max_retries=0, timeout=600)


def fields(ask: Ask) -> dict[str, Any]:
    extra: dict[str, Any] = {"return_token_ids": True}
    if ask.budget is not None:
        extra["thinking_token_budget"] = ask.budget
    return {
        "model": "tiny",
        "messages": [{"role": "user", "content": ask.prompt}],
        "temperature": ask.temperature,
        "seed": ask.seed,
        "extra_body": extra,
        **({} if ask.effort is None else {"reasoning_effort": ask.effort}),
    }


def read(completion: Any) -> Got:
    choice = completion.choices[0]
    return Got(
        getattr(choice.message, "reasoning", None),
        choice.message.content,
        choice.token_ids,
        getattr(choice, "window", None),
        completion.usage.model_dump(),
        choice.finish_reason,
    )


async def send(client: AsyncOpenAI, ask: Ask, stream: bool) -> Got:
    if not stream:
        return read(await client.chat.completions.create(**fields(ask)))
    reasoning, content, ids, window, finish = None, "", [], None, ""
    async for chunk in await client.chat.completions.create(
        **fields(ask), stream=True, stream_options={"include_usage": True}
    ):
        for choice in chunk.choices:
            if (piece := getattr(choice.delta, "reasoning", None)) is not None:
                reasoning = (reasoning or "") + piece
            content += choice.delta.content or ""
            ids += getattr(choice, "token_ids", None) or []
            window = getattr(choice, "window", window)
            finish = choice.finish_reason or finish
        usage = chunk.usage
    return Got(reasoning, content, ids, window, usage.model_dump(), finish)


def send_all(served: Any, asks: list[Ask], streams: list[bool], at_once: int) -> list[Got]:
    async def run() -> list[Got]:
        async with AsyncOpenAI(
            base_url=f"{served.url}/v1", api_key=KEY, max_retries=0, timeout=1200
        ) as client:
            gate = asyncio.Semaphore(at_once)

            async def one(ask: Ask, stream: bool) -> Got:
                async with gate:
                    return await send(client, ask, stream)

            return await asyncio.gather(*map(one, asks, streams))

    return asyncio.run(run())


@pytest.fixture(scope="module")
def crowd(served):
    """Requests sent at once and their replies, and the replies of each sent alone."""
    rng = random.Random(0)
    prompts = [" + ".join(str(rng.randrange(10, 100)) for _ in range(2 + i % 5)) for i in range(17)]
    kinds = [(prompt, 0.0, 0) for prompt in prompts]
    kinds += [(prompt, 1.2, seed) for seed, prompt in enumerate(prompts)]
    asks = [Ask(prompt, budget, t, seed) for prompt, t, seed in kinds for budget in BUDGETS]
    rng.shuffle(asks)
    streams = [rng.random() < 0.5 for _ in asks]
    together = send_all(served, asks, streams, at_once=len(asks))
    open_ones = [Ask(prompt, None, t, seed) for prompt, t, seed in kinds]
    greedy = [ask for ask in asks if ask.temperature == 0 and ask.budget is not None]
    alone = [*open_ones, *greedy]
    told = send_all(served, alone, [False] * len(alone), at_once=1)
    return dict(zip(asks, together, strict=True)), dict(zip(alone, told, strict=True))


@pytest.fixture(scope="module")
def explain(served):
    """Tell whether two replies part where the model rates both tokens alike, and say so."""
    tokenizer = load_tokenizer(str(served.model))
    model = load_model(str(served.model), "float32").eval()

    def tied(ask: Ask, one: list[int], other: list[int]) -> bool:
        place = next(i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": ask.prompt}],
            add_generation_prompt=True,
            return_dict=False,
        )
        with torch.inference_mode():
            logits = model(torch.tensor([[*prompt, *one[:place]]])).logits[0, -1]
        gap = (logits[one[place]] - logits[other[place]]).abs().item()
        print(f"{ask}: token {place} differs, the logits by {gap:.2g}")
        return gap < 1e-4

    return tied


def test_every_overrunning_request_has_its_hint_at_exactly_its_budget(crowd, tokenizer):
    together, alone = crowd
    assert len(together) >= 200
    hint = tokenizer(HINT)["input_ids"]
    closed = 0
    for ask, got in together.items():
        if ask.budget is None:
            continue
        # What the same request says without a window, end token included, overran or did not.
        free = alone[ask._replace(budget=None)].ids
        if len(free) <= ask.budget:
            continue
        closed += 1
        assert got.reasoning == tokenizer.decode(free[: ask.budget]), ask
        assert len(tokenizer(got.reasoning)["input_ids"]) == ask.budget
        assert got.ids[: ask.budget] == free[: ask.budget]
        assert got.ids[ask.budget : ask.budget + len(hint)] == hint
        answer = got.ids[ask.budget + len(hint) :]
        assert got.content == tokenizer.decode(answer, skip_special_tokens=True)
        assert got.window == {
            "closed": True,
            "budget": ask.budget,
            "thinking_tokens": ask.budget,
            "hint_tokens": len(hint),
            "answer_tokens": len(tokenizer(got.content)["input_ids"]),
        }
        counted = got.usage["completion_tokens_details"]
        assert (counted["reasoning_tokens"], counted["hint_tokens"]) == (ask.budget, len(hint))
    assert closed >= 100


def test_every_other_request_is_untouched(crowd, tokenizer):
    together, alone = crowd
    untouched = 0
    for ask, got in together.items():
        free = alone[ask._replace(budget=None)]
        if ask.budget is not None and len(free.ids) > ask.budget:
            continue
        untouched += 1
        assert got.ids == free.ids, ask
        assert (got.reasoning, got.content) == (None, free.content)
        tokens = len(tokenizer(got.content)["input_ids"])
        assert got.usage["completion_tokens"] == tokens + 1  # the end token
        assert got.usage["completion_tokens_details"]["reasoning_tokens"] == tokens
        assert (got.window is None) == (ask.budget is None)
        assert not got.window or got.window["closed"] is False
    assert untouched >= 50


def test_a_greedy_reply_is_the_same_alone_but_for_ties(crowd, explain):
    together, alone = crowd
    compared = 0
    for ask, got in together.items():
        if ask.temperature == 0:
            compared += 1
            one = alone[ask]
            assert got.ids == one.ids or explain(ask, got.ids, one.ids), ask
            if got.ids == one.ids:  # streamed or not
                assert (got.reasoning, got.content) == (one.reasoning, one.content)
    assert compared == 17 * len(BUDGETS)


def test_requests_were_preempted_meanwhile(crowd, served):
    assert crowd
    metrics = urllib.request.urlopen(f"{served.url}/metrics").read().decode()
    preempted = re.search(r"^vllm:num_preemptions_total\{.*\} (\S+)$", metrics, re.M)
    assert preempted
    assert float(preempted[1]) > 0
    closed = re.search(r'^z1_replies_total\{closed="true"\} (\S+)$', metrics, re.M)
    assert closed
    assert float(closed[1]) >= 100


def test_each_of_several_choices_has_its_own_window(client, tokenizer):
    ask = Ask("12 + 34 + 56 + 78 + 90 + 11", 20, 2.0, 1)
    completion = client.chat.completions.create(**fields(ask), n=8)
    hint = tokenizer(HINT)["input_ids"]
    texts = set()
    for choice in completion.choices:
        if choice.window["closed"]:
            texts.add(choice.message.reasoning)
            # So hot, it writes halves of characters, which text cannot tell apart; ids can. Now
            # and then it writes a chat mark, which is no text.
            thought = tokenizer.decode(choice.token_ids[:20], skip_special_tokens=True)
            assert choice.message.reasoning == thought
            assert choice.token_ids[20 : 20 + len(hint)] == hint
    assert len(texts) > 1
    counted = completion.usage.completion_tokens_details
    assert counted.reasoning_tokens == sum(c.window["thinking_tokens"] for c in completion.choices)


def test_a_stream_shows_the_thinking_as_a_draft_at_once(client):
    stream = client.chat.completions.create(**fields(Ask("12 + 34", 4, 0.0, 0)), stream=True)
    kinds = [
        next((key for key in ("draft", "reasoning", "content") if getattr(delta, key, None)), "")
        for delta in (chunk.choices[0].delta for chunk in stream)
    ]
    assert kinds.index("draft") < kinds.index("reasoning") < kinds.index("content")
    assert kinds.count("draft") == 3  # with the fourth token the window is known to close
    assert kinds.count("reasoning") == 1


@pytest.mark.parametrize(
    ("effort", "prompt"), [("low", "fast"), ("high", "check"), (None, "steps")]
)
def test_the_effort_reaches_the_template_and_gives_the_budget(client, effort, prompt):
    ask = Ask("12 + 34 + 5", None, 0.0, 0, effort)
    asked = fields(ask)
    asked["extra_body"]["return_prompt_text"] = True
    completion = client.chat.completions.create(**asked)
    assert prompt in completion.prompt_text
    got = read(completion)
    if effort is None:
        assert got.window is None
    elif effort == "low":
        assert got.window["budget"] == 3
    else:
        # The default of 4000 got as small as context, prompt, hint and answer need it.
        assert got.window["budget"] == 512 - got.usage["prompt_tokens"] - len(HINT) - 8


def test_an_efforts_budget_leaves_room_in_a_short_reply(client, tokenizer):
    ask = Ask("12 + 34 + 56 + 78", None, 0.0, 0, "high")
    got = read(client.chat.completions.create(**fields(ask), max_completion_tokens=30))
    assert got.window["budget"] == 30 - len(HINT) - 8
    assert len(tokenizer(got.reasoning)["input_ids"]) == got.window["budget"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("body", "advice"),
    [
        ({"thinking_token_budget": -1}, "send a whole number of tokens, 0 or more"),
        ({"thinking_token_budget": "5"}, "send a whole number of tokens, 0 or more"),
        ({"thinking_token_budget": 5.5}, "send a whole number of tokens, 0 or more"),
        ({"thinking_token_budget": 10**30}, "give a budget of at most"),
        ({"thinking_token_budget": 512}, "give a budget of at most"),
        ({"thinking_token_budget": 50, "max_completion_tokens": 40}, "a budget of at most 24"),
        ({"thinking_token_budget": 50, "max_completion_tokens": 9}, "a limit of at least 66"),
        ({"reasoning_effort": "low", "max_completion_tokens": 9}, "a limit of at least 16"),
        ({"reasoning_effort": "extreme"}, "send low, medium or high"),
        ({"thinking_token_budget": 5, "stop": "\n"}, "leave it out"),
        ({"vllm_xargs": {"z1_window": {"budget": 5}}}, "lacks hint, reserve"),
    ],
)
def test_a_bad_request_is_told_what_to_send_instead(client, body, advice, stream):
    messages = [{"role": "user", "content": "1 + 2"}]
    with pytest.raises(BadRequestError, match=advice) as refused:
        client.chat.completions.create(
            model="tiny", messages=messages, stream=stream, extra_body=body
        )
    assert refused.value.body["code"] == 400


def test_a_completion_of_token_ids_has_a_window_too(client, tokenizer):
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "12 + 34 + 56"}], add_generation_prompt=True, return_dict=False
    )
    completion = client.completions.create(
        model="tiny",
        prompt=prompt,
        max_tokens=100,
        temperature=0,
        extra_body={"thinking_token_budget": 6, "return_token_ids": True},
    )
    choice = completion.choices[0]
    assert choice.text[6:].startswith(HINT)
    assert choice.token_ids[6:14] == tokenizer(HINT)["input_ids"]
    assert choice.window["closed"]


def test_a_client_can_carry_its_own_window(client, tokenizer):
    hint = tokenizer("=")["input_ids"]
    completion = client.chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": "12 + 34"}],
        temperature=0,
        extra_body={"vllm_xargs": {"z1_window": {"budget": 3, "hint": hint, "reserve": 2}}},
    )
    assert completion.choices[0].message.reasoning == "12+"
    assert completion.choices[0].window["hint_tokens"] == 1


def test_a_request_without_a_window_is_vllms_own(client):
    completion = client.chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": "12 + 34"}],
        temperature=0,
        stop=["="],
    )
    choice = completion.choices[0]
    assert choice.message.content == "12+34"
    assert not hasattr(choice, "window")


def test_the_rest_of_the_server_is_there(client, served):
    assert [model.id for model in client.models.list()] == ["tiny"]
    told = json.loads(urllib.request.urlopen(f"{served.url}/z1").read())
    assert told == {
        "window": {
            "hint": HINT,
            "hint_tokens": 8,
            "reserve": 8,
            "budgets": {"low": 3, "medium": 20, "high": 4000},
        }
    }
    stranger = OpenAI(base_url=f"{served.url}/v1", api_key="wrong", max_retries=0)
    with pytest.raises(AuthenticationError):
        stranger.models.list()


def test_the_endpoint_engine_gets_the_replies_of_one_pass_here(served, demo, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    window = ThinkingWindow(hint=HINT, reserve=8)
    greedy = demo.generate.model_copy(update={"temperature": 0.0, "max_tokens": 100})
    requests = [Request(f"{n} + 48 + 61", None, b) for n in (12, 35, 70) for b in BUDGETS[:4]]
    expected = open_engine(greedy, str(served.model), window=window).sample(requests, 0)
    closed = [reply.hint_tokens > 0 for reply in expected]
    assert 3 <= sum(closed) < len(closed)

    def engine(api):
        endpoint = Endpoint(url=f"{served.url}/v1", served_model="tiny", api=api)
        remote = greedy.model_copy(update={"engine": "endpoint", "endpoint": endpoint})
        return open_engine(remote, str(served.model), window=window)

    one_call = engine("completions")
    assert one_call.keeps_window
    assert one_call.sample(requests, 0) == expected
    two_calls = engine("completions")
    two_calls.keeps_window = False  # as of a server without the plug-in
    assert two_calls.sample(requests, 0) == expected
    # Over the chat API no ids come back.
    assert engine("chat").sample(requests, 0) == [r._replace(token_ids=()) for r in expected]
