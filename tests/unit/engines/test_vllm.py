"""The engine runs in vLLM's own environment, once for all tests: vllm_run.py is what runs there."""

import json
import subprocess
from pathlib import Path

import polars as pl
import pytest
import torch

from z1.engines import Reply, Request, open_engine
from z1.engines.transformers import TransformersEngine
from z1.models import encode_prompt, load_tokenizer
from z1.recipe import Sampling, ThinkingWindow

HINT = "\nanswer\n"
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def run(vllm_python, tmp_path_factory):
    """The folder that vllm_run.py wrote, and its results."""
    folder = tmp_path_factory.mktemp("run")
    script = Path(__file__).with_name("vllm_run.py")
    done = subprocess.run(
        [vllm_python, script, "tiny", folder], capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return folder, json.loads((folder / "results.json").read_text())


def replies(results, name):
    return [Reply(*row[:-1], tuple(row[-1])) for row in results[name]]


@pytest.fixture(scope="module")
def requests(run):
    return [Request(*row) for row in run[1]["requests"]]


def engine_here(**window) -> TransformersEngine:
    sampling = Sampling(temperature=0.0, max_tokens=80, dtype="float32")
    return open_engine(sampling, "tiny", window=ThinkingWindow(hint=HINT, reserve=8, **window))


def check_same_but_for_ties(engine, requests, expected, given):
    """Fail at the first token that differs unless the model rates both alike."""
    for request, here, there in zip(requests, expected, given, strict=True):
        if here == there:
            continue
        pairs = zip(here.token_ids, there.token_ids, strict=False)
        place = next(i for i, (a, b) in enumerate(pairs) if a != b)
        prompt = encode_prompt(engine.tokenizer, request.prompt, request.effort)
        with torch.inference_mode():
            logits = engine.model(torch.tensor([[*prompt, *here.token_ids[:place]]])).logits[0, -1]
        gap = (logits[here.token_ids[place]] - logits[there.token_ids[place]]).abs().item()
        print(f"{request}: a tie at token {place}, logits {gap:.2g} apart")
        assert gap < 1e-4, (request, place)


def test_greedy_token_ids_are_those_of_the_transformers_engine(run, requests):
    engine = engine_here()
    expected = engine.sample(requests, 0)
    check_same_but_for_ties(engine, requests, expected, replies(run[1], "greedy"))
    assert sum(reply.hint_tokens > 0 for reply in expected) > 10


def test_a_reply_that_closed_its_own_tag_is_left_alone(run, requests):
    engine = engine_here(delimiter="=")
    expected = engine.sample(requests, 0)
    check_same_but_for_ties(engine, requests, expected, replies(run[1], "tagged"))
    closed = [reply.hint_tokens > 0 for reply in expected]
    assert closed != [reply.hint_tokens > 0 for reply in replies(run[1], "greedy")]


def test_a_request_alone_gets_the_same_reply(run):
    assert replies(run[1], "alone") == replies(run[1], "greedy")[::5]


def test_the_seed_decides_what_is_sampled(run, requests):
    one, again, other = (replies(run[1], f"hot {name}") for name in "abc")
    assert one == again
    assert one != other
    hint = tuple(load_tokenizer("tiny")(HINT, add_special_tokens=False)["input_ids"])
    closed = [(q, reply) for q, reply in zip(requests, one, strict=True) if reply.hint_tokens]
    assert len(closed) > 10
    for request, reply in closed:
        end = request.budget + len(hint)
        assert reply.thinking_tokens == request.budget
        assert reply.token_ids[request.budget : end] == hint
        assert reply.answer_tokens == len(reply.token_ids) - end


def test_parts_are_the_same_after_a_run_that_was_cut_off(run):
    folder, results = run
    assert 0 < results["kept"] < len(list((folder / "whole").iterdir()))
    assert pl.read_parquet(folder / "cut").equals(pl.read_parquet(folder / "whole"))


def test_what_does_not_fit_is_refused_with_advice(run):
    prompt, context, limit = run[1]["refused"]
    assert "leaves nothing of the model's context of 512" in prompt
    assert "give a budget of at most 56, which a prompt of 440 leaves" in context
    assert "at most 64" in limit
