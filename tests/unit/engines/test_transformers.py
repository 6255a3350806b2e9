import polars as pl
import pytest

from z1.engines import Request, open_engine, sample_parts
from z1.errors import InputError
from z1.recipe import BaseModelSection

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
    assert alone[0].text == "68"


def test_the_seed_decides_what_is_sampled(sampling):
    hot = {"temperature": 3.0}
    assert ask(sampling, seed=1, **hot) == ask(sampling, seed=1, **hot)
    assert ask(sampling, seed=1, **hot) != ask(sampling, seed=2, **hot)


def test_a_small_top_p_is_greedy(sampling):
    assert ask(sampling, temperature=3.0, top_p=1e-6) == ask(sampling, temperature=0.0)


def test_tokens_and_finish_are_those_of_the_text(sampling):
    for reply in ask(sampling, temperature=0.0, max_tokens=10):
        # The tiny model reads bytes: a token a character.
        assert reply.thinking_tokens == len(reply.text)
        assert (reply.finish_reason == "length") == (reply.thinking_tokens == 10)
    assert {r.finish_reason for r in ask(sampling, temperature=0.0, max_tokens=10)} == {
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
