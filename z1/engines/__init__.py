"""How text is sampled. An engine answers requests; a new one is a file and a line here."""

import hashlib
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol

import polars as pl

from z1.recipe import BaseModelSection, EffortPrompts, Sampling, ThinkingWindow
from z1.records import EFFORT, TRAJECTORY, WINDOWED, write_part

ENGINES = {"transformers": "z1.engines.transformers"}


class Request(NamedTuple):
    """One reply to be sampled."""

    prompt: str
    effort: str | None
    budget: int | None = None
    """Thinking budget in tokens, at which the window closes; None for no window."""


class Reply(NamedTuple):
    """One sampled reply, as the columns of the same names in ``z1.records``."""

    text: str
    thinking_tokens: int
    finish_reason: str
    reasoning: str | None = None
    hint_tokens: int = 0
    answer_tokens: int = 0
    token_ids: tuple[int, ...] = ()
    """The whole reply without its end token, where the engine knows the ids; in no table."""


class Engine(Protocol):
    """A model that is loaded and ready to answer."""

    def sample(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        """Answer each request, in order. The same requests and seed give the same replies."""


def open_engine(
    sampling: Sampling,
    model: str | BaseModelSection,
    efforts: EffortPrompts | None = None,
    window: ThinkingWindow | None = None,
) -> Engine:
    """Load a model: a folder, a hub id, or the recipe's base model.

    ``efforts`` are prompts for a model whose chat template has none; ``window`` is what requests
    with a budget get.

    Raises InputError if there is no such model, or the window's hint does not suit it.
    """
    module = import_module(ENGINES[sampling.engine])
    opened: Engine = module.open(sampling, model, efforts, window)
    return opened


def build_requests(
    problems: pl.DataFrame, efforts: Sequence[str | None], samples: int
) -> pl.DataFrame:
    """Return a request for each problem, effort and sample, as ``sample_parts`` takes them."""
    asked = pl.Series("effort", efforts, dtype=EFFORT).to_frame()
    numbers = pl.Series("sample", range(samples), dtype=pl.Int32).to_frame()
    return (
        problems.select(problem_id="id", prompt="prompt")
        .join(asked, how="cross")
        .join(numbers, how="cross")
    )


def sample_parts(
    engine: Engine,
    requests: pl.DataFrame,
    folder: Path,
    seed: int,
    part_size: int,
    report: Callable[[int, int], None],
) -> None:
    """Answer a table of requests into the parts of a folder; parts already there stay.

    ``requests`` has the columns ``problem_id``, ``prompt``, ``effort`` and ``sample``, and
    ``budget`` if replies have a thinking window; the parts are then WINDOWED tables. Each part
    has a seed of its own, so replies do not depend on where an earlier attempt was cut off.
    """
    schema = WINDOWED if "budget" in requests.columns else TRAJECTORY
    fields = [name for name in Request._fields if name in requests.columns]
    starts = range(0, requests.height, part_size)
    for number, start in enumerate(starts):
        path = folder / f"part-{number:05d}.parquet"
        report(start, requests.height)
        if path.is_file():
            continue
        rows = requests[start : start + part_size]
        asked = [Request(**row) for row in rows.select(fields).iter_rows(named=True)]
        replies = engine.sample(asked, derive_seed(seed, number))
        answered = [reply._asdict() for reply in replies]
        write_part(
            [row | reply for row, reply in zip(rows.to_dicts(), answered, strict=True)],
            path,
            schema,
        )
    report(requests.height, requests.height)


def derive_seed(*parts: int) -> int:
    """Mix numbers into a seed of 63 bits, the same in every process."""
    digest = hashlib.sha256(" ".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
