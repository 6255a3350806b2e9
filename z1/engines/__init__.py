"""How text is sampled. An engine answers requests; a new one is a file and a line here."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import polars as pl

from z1.errors import InputError
from z1.recipe import BaseModelSection, EffortPrompts, Sampling, ThinkingWindow
from z1.records import EFFORT, TRAJECTORY, WINDOWED, write_part

ENGINES = {
    "transformers": "z1.engines.transformers",
    "vllm": "z1.engines.vllm",
    "endpoint": "z1.engines.endpoint",
}


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
    hidden_tokens: int = 0
    token_ids: tuple[int, ...] = ()
    """The whole reply without its end token, where the engine knows the ids; in no table."""


class Engine(Protocol):
    """A model that is loaded and ready to answer."""

    def sample(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        """Answer each request, in order. The same requests and seed give the same replies."""


@runtime_checkable
class Streaming(Engine, Protocol):
    """An engine that answers each request for itself and need not wait for a part's last reply."""

    def stream(self, seeded: Iterable[tuple[Request, int]]) -> Iterator[tuple[int, Reply]]:
        """Answer requests, each given with its seed; yield (place, reply) as they are answered."""


def open_engine(
    sampling: Sampling,
    model: str | BaseModelSection,
    efforts: EffortPrompts | None = None,
    window: ThinkingWindow | None = None,
) -> Engine:
    """Load a model: a folder, a hub id, or the recipe's base model.

    ``efforts`` are prompts for a model whose chat template has none; ``window`` is what requests
    with a budget get.

    Raises InputError if there is no such model, the window's hint does not suit it, or what the
    engine runs on is not installed.
    """
    try:
        module = import_module(ENGINES[sampling.engine])
    except ModuleNotFoundError as error:
        raise InputError(
            f"engine {sampling.engine!r} needs {error.name}, which is not installed here: "
            f"pip install 'z1[{sampling.engine}]'"
        ) from error
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
    keep: Callable[[Path], None] = lambda part: None,
) -> None:
    """Answer a table of requests into the parts of a folder; parts already there stay.

    ``requests`` has the columns ``problem_id``, ``prompt``, ``effort`` and ``sample``, and
    ``budget`` if replies have a thinking window; the parts are then WINDOWED tables. Each part
    has a seed of its own, so replies do not depend on where an earlier attempt was cut off.
    ``keep`` is told of each part that is finished.
    """
    schema = WINDOWED if "budget" in requests.columns else TRAJECTORY
    fields = [name for name in Request._fields if name in requests.columns]
    missing: dict[int, pl.DataFrame] = {}
    for number, start in enumerate(range(0, requests.height, part_size)):
        if not _part(folder, number).is_file():
            missing[number] = requests[start : start + part_size]
    done = requests.height - sum(rows.height for rows in missing.values())
    report(done, requests.height)
    asked = {
        number: [Request(**row) for row in rows.select(fields).iter_rows(named=True)]
        for number, rows in missing.items()
    }
    for number, replies in _answer(engine, asked, seed):
        rows, part = missing[number], _part(folder, number)
        answered = [reply._asdict() for reply in replies]
        write_part(
            [row | reply for row, reply in zip(rows.to_dicts(), answered, strict=True)],
            part,
            schema,
        )
        keep(part)
        done += rows.height
        report(done, requests.height)


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number:05d}.parquet"


def _answer(
    engine: Engine, parts: Mapping[int, Sequence[Request]], seed: int
) -> Iterator[tuple[int, list[Reply]]]:
    """Yield the number and the replies of each part as soon as all of them are there."""
    seeds = {number: derive_seed(seed, number) for number in parts}
    if not isinstance(engine, Streaming):
        for number, requests in parts.items():
            yield number, engine.sample(requests, seeds[number])
        return
    places = [(number, i) for number, requests in parts.items() for i in range(len(requests))]
    seeded = ((parts[number][i], derive_seed(seeds[number], i)) for number, i in places)
    replies: dict[int, dict[int, Reply]] = {number: {} for number in parts}
    for at, reply in engine.stream(seeded):
        number, i = places[at]
        replies[number][i] = reply
        if len(replies[number]) == len(parts[number]):
            part = replies.pop(number)
            yield number, [part[i] for i in range(len(part))]


def derive_seed(*parts: int) -> int:
    """Mix numbers into a seed of 63 bits, the same in every process."""
    digest = hashlib.sha256(" ".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
