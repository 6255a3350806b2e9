import polars as pl
import pytest

from z1.engines import Request, client, open_engine, sample_parts
from z1.errors import InputError
from z1.recipe import BaseModelSection, EffortPrompts, Endpoint, ThinkingWindow
from z1.records import TRAJECTORY

TINY = BaseModelSection(path="tiny")
PROMPTS = ["23 + 45", "10 + 20 + 30 + 40", "5 + 5 + 5 + 5 + 5"]
HINT = "\nanswer\n"
WINDOW = ThinkingWindow(hint=HINT, reserve=8)
REQUESTS = [
    Request(prompt, None, budget) for prompt in PROMPTS for budget in [0, 1, 3, 8, 25, None]
]


@pytest.fixture
def open_client(demo, server):
    def opened(window=None, efforts=None, sampling=None, **endpoint):
        section = Endpoint(url=server.url, served_model="m", **endpoint)
        changes = {"engine": "endpoint", "endpoint": section, "temperature": 0.0, "max_tokens": 50}
        return open_engine(
            demo.generate.model_copy(update=changes | (sampling or {})), TINY, efforts, window
        )

    return opened


@pytest.fixture(scope="module")
def here(demo):
    """The same requests, answered by the transformers engine in one pass."""
    sampling = demo.generate.model_copy(update={"temperature": 0.0, "max_tokens": 50})
    return open_engine(sampling, TINY, window=WINDOW).sample(REQUESTS, 0)


@pytest.mark.parametrize("gives_ids", [True, False])
def test_two_calls_give_the_tokens_of_one_pass(open_client, server, here, gives_ids):
    server.gives_ids = gives_ids
    assert open_client(WINDOW).sample(REQUESTS, 0) == here
    assert {reply.hint_tokens for reply in here} == {0, len(HINT)}


def test_the_second_call_has_the_rest_of_the_limit_and_nothing_else_new(open_client, server):
    [reply] = open_client(WINDOW).sample([Request(PROMPTS[1], None, 8)], 0)
    first, second = server.bodies
    asked = {"prompt", "max_tokens", "seed"}
    assert {k: v for k, v in first.items() if k not in asked} == {
        k: v for k, v in second.items() if k not in asked
    }
    assert second["prompt"] == [*first["prompt"], *reply.token_ids[: 8 + len(HINT)]]
    assert (first["max_tokens"], second["max_tokens"]) == (8, 50 - 8 - len(HINT))


def test_a_reply_that_closed_its_own_tag_gets_no_hint(open_client):
    window = ThinkingWindow(hint=HINT, reserve=8, delimiter="=")
    requests = [Request(PROMPTS[1], None, None), Request(PROMPTS[1], None, 12)]
    free, delimited = open_client(window).sample(requests, 0)
    assert "=" in free.text[:12]
    assert free == delimited


def test_a_server_that_keeps_windows_is_asked_once(open_client, server, here):
    server.window = {"hint": HINT, "hint_tokens": len(HINT), "reserve": 8, "budgets": {}}
    assert open_client(WINDOW).sample(REQUESTS, 0) == here
    assert len(server.bodies) == len(REQUESTS)


@pytest.mark.parametrize("other", [{"hint": "\nsay\n"}, {"reserve": 9}])
def test_a_server_with_another_window_is_asked_twice(open_client, server, here, other):
    server.window = {"hint": HINT, "reserve": 8, "budgets": {}} | other
    assert open_client(WINDOW).sample(REQUESTS, 0) == here
    assert not any("thinking_token_budget" in body for body in server.bodies)


def test_a_server_that_passes_the_budget_over_is_found_out(open_client, server, monkeypatch):
    server.window = {"hint": HINT, "reserve": 8, "budgets": {}}
    engine = open_client(WINDOW)
    complete = server.complete
    monkeypatch.setattr(
        server, "complete", lambda body: complete(body | {"thinking_token_budget": None})
    )
    with pytest.raises(InputError, match="did not close"):
        engine.sample([Request(PROMPTS[1], None, 8)], 0)


def test_what_passes_is_tried_again(open_client, server, here):
    soon = {"retry-after-ms": "1"}
    server.faults.extend([(429, soon), None, (500, soon), (503, soon), None])
    engine = open_client(concurrency=1)
    [reply] = engine.sample([REQUESTS[5]], 0)
    assert reply == here[5]
    assert server.asked == 6


def test_a_server_says_how_long_to_wait(open_client, server, monkeypatch):
    waited = []
    engine = open_client()

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr("anyio.sleep", sleep)
    server.faults.append((429, {"Retry-After": "7"}))
    engine.sample([REQUESTS[5]], 0)
    assert waited == [7]


def test_a_wrong_key_is_said_at_once(open_client, server, monkeypatch):
    server.key = "right"
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    with pytest.raises(InputError, match=r"127\.0\.0\.1.*not known here.*OPENAI_API_KEY"):
        open_client().sample([REQUESTS[5]], 0)
    assert server.asked == 1
    monkeypatch.setenv("OPENAI_API_KEY", "right")
    assert open_client().sample([REQUESTS[5]], 0)


def test_a_server_that_is_gone_is_named(demo, monkeypatch):
    monkeypatch.setattr(client, "RETRIES", 1)
    nowhere = Endpoint(url="http://127.0.0.1:9/v1")
    sampling = demo.generate.model_copy(update={"engine": "endpoint", "endpoint": nowhere})
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:9/v1: no reply in 2 attempts"):
        open_engine(sampling, TINY, window=WINDOW)
    with pytest.raises(InputError, match="is the server up"):
        open_engine(sampling, TINY).sample([REQUESTS[5]], 0)


def test_no_more_requests_are_under_way_than_asked_for(open_client, server):
    server.pause = 0.05
    engine = open_client(concurrency=3, sampling={"max_tokens": 1})
    engine.sample([Request("1 + 1", None)] * 12, 0)
    assert server.peak == 3


def test_work_that_was_cut_off_is_gone_on_with(open_client, server, tmp_path):
    requests = pl.DataFrame(
        [(f"p{i}", prompt, None, 0) for i, prompt in enumerate(PROMPTS * 3)],
        schema=["problem_id", "prompt", "effort", "sample"],
        orient="row",
    )

    def sample(folder):
        engine = open_client(concurrency=2, sampling={"temperature": 2.0})
        sample_parts(engine, requests, tmp_path / folder, 7, 2, lambda *_: None)
        return pl.read_parquet(tmp_path / folder, schema=TRAJECTORY)

    whole = sample("whole")
    assert whole["text"].n_unique() > len(PROMPTS)
    server.refuse = lambda body: len(server.bodies) > 9 + 6
    with pytest.raises(InputError, match="no such request, please"):
        sample("cut")
    kept = sorted((tmp_path / "cut").iterdir())
    assert 0 < len(kept) < 5
    server.reset()
    assert sample("cut").equals(whole)
    # Each has its seed; the server may still be at work on some that were given up.
    assert len({body["seed"] for body in server.bodies}) == 9 - 2 * len(kept)


EFFORTS = EffortPrompts(low="fast", medium="steps", high="check")


def test_a_chat_server_gets_messages_and_counts(open_client, server):
    engine = open_client(efforts=EFFORTS, api="chat")
    [reply] = engine.sample([Request("23 + 45", "low")], 0)
    assert server.bodies[0]["messages"] == [
        {"role": "system", "content": "fast"},
        {"role": "user", "content": "23 + 45"},
    ]
    assert "reasoning_effort" not in server.bodies[0]
    # The server counts the end token, and this engine takes its word.
    assert reply.thinking_tokens == len(reply.text) + 1
    open_client(api="chat").sample([Request("23 + 45", "low")], 0)
    assert server.bodies[1]["reasoning_effort"] == "low"


def test_budgets_over_chat_need_a_server_that_keeps_them(open_client, server, here):
    with pytest.raises(InputError, match=r"z1 serve.*api: completions"):
        open_client(WINDOW, api="chat")
    server.window = {"hint": HINT, "reserve": 8, "budgets": {}}
    asked = [i for i, request in enumerate(REQUESTS) if request.budget is not None]
    replies = open_client(WINDOW, api="chat").sample([REQUESTS[i] for i in asked], 0)
    assert replies == [here[i]._replace(token_ids=()) for i in asked]
