import asyncio
import sys

import polars as pl
import pytest

from z1.engines import Reply, Request, open_engine, sample_parts
from z1.engines.streaming import StreamingEngine
from z1.errors import InputError


class Echo(StreamingEngine):
    """Answers with the prompt and its seed; the first request only after all others."""

    def __init__(self, in_flight, others):
        super().__init__(asyncio.new_event_loop(), in_flight)
        self.others = others
        self.free = asyncio.Event()
        self.cancelled = 0

    async def answer(self, request, seed):
        try:
            if request.prompt == "0":
                await self.free.wait()
            elif request.prompt == "bad":
                raise InputError("bad")
            self.others -= 1
            if self.others == 0:
                self.free.set()
            return Reply(f"{request.prompt} {seed}", 1, "stop")
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


def table(count):
    return pl.DataFrame(
        [(f"p{i}", str(i), None, 0) for i in range(count)],
        schema=["problem_id", "prompt", "effort", "sample"],
        orient="row",
    )


def test_a_slow_reply_holds_up_its_own_part_only(tmp_path):
    written = []
    sample_parts(
        Echo(2, others=9),
        table(10),
        tmp_path,
        0,
        3,
        lambda *_: written.append(sorted(path.stem[-1] for path in tmp_path.iterdir())),
    )
    assert written == [[], ["1"], ["1", "2"], ["1", "2", "3"], ["0", "1", "2", "3"]]
    assert pl.read_parquet(tmp_path)["problem_id"].to_list() == [f"p{i}" for i in range(10)]


def test_a_request_has_the_same_seed_wherever_work_goes_on(tmp_path):
    sample_parts(Echo(4, others=9), table(10), tmp_path, 5, 3, lambda *_: None)
    whole = pl.read_parquet(tmp_path)
    assert whole["text"].str.split(" ").list.last().n_unique() == 10
    (tmp_path / "part-00002.parquet").unlink()
    seen = []
    sample_parts(Echo(1, 0), table(10), tmp_path, 5, 3, lambda *done: seen.append(done))
    assert pl.read_parquet(tmp_path).equals(whole)
    assert seen == [(7, 10), (10, 10)]


def test_an_error_ends_the_others():
    engine = Echo(3, others=9)
    with pytest.raises(InputError, match="bad"):
        engine.sample([Request(prompt, None) for prompt in ("0", "1", "bad", "2")], 0)
    assert engine.cancelled == 1


def test_an_engine_that_is_not_installed_says_what_to_install(demo, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(InputError, match=r"pip install 'z1\[vllm\]'"):
        open_engine(demo.generate.model_copy(update={"engine": "vllm"}), "tiny")
