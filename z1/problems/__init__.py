"""Where problems come from: a file for each kind of source, and what is done with all of them."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any

import polars as pl

from z1.problems.benchmarks import read_benchmark
from z1.problems.files import read_file
from z1.problems.huggingface import read_huggingface
from z1.problems.procedural import read_procedural
from z1.problems.questions import read_questions
from z1.problems.rows import ROWS
from z1.problems.splits import divide, split_point
from z1.recipe import AnySource, Problems
from z1.records import PROBLEM, normalise_prompt

Reader = Callable[[Any, str], tuple[pl.DataFrame, Counter[str]]]

SOURCES: dict[str, Reader] = {
    "file": read_file,
    "huggingface": read_huggingface,
    "questions": read_questions,
    "procedural": read_procedural,
    "benchmark": read_benchmark,
}
"""A reader takes a source of its kind and the source's key in the recipe; it returns the problems
as ``rows.ROWS`` and how many were left out, by reason."""


def gather(section: Problems) -> tuple[pl.DataFrame, Counter[str]]:
    """Read all sources and divide their problems; return those in a split, and what was left out.

    The rows are Problem rows with four more columns: ``split``, the ``kind`` of source, the bare
    ``question``, and ``where`` the problem stands, for messages. Prompts are distinct, and so are
    ids: a problem without an id is named after its source and prompt, and where two sources use
    one id, the later problem's gets a suffix from its prompt.

    Raises InputError where a source is wrong.
    """
    every, dropped = read_sources(section, section.sources, "problems.sources")
    distinct = divide(every, section.splits, section.split_seed)
    dropped["same prompt as another problem"] += len(every) - len(distinct)
    divided = distinct.filter(pl.col("split").is_not_null())
    dropped["outside all splits"] += len(distinct) - len(divided)
    return _name(divided).select(*PROBLEM, "split", "kind", "question", "where"), +dropped


def read_sources(
    section: Problems, sources: Sequence[AnySource], key: str
) -> tuple[pl.DataFrame, Counter[str]]:
    """Read sources, ``key`` being that of their list; also return how many rows were left out.

    ``section`` says how problems are divided, of which a source may take ``only`` a split.

    Besides ``rows.ROWS`` the rows have the ``kind`` of source and ``pinned``, the split that it is
    put into whole, or null. Raises InputError where a source is wrong.
    """
    found = [
        pl.DataFrame(schema=ROWS).with_columns(
            kind=pl.lit(None, pl.String), pinned=pl.lit(None, pl.String)
        )
    ]
    dropped: Counter[str] = Counter()
    for number, source in enumerate(sources):
        rows, left_out = SOURCES[source.kind](source, f"{key}.{number}")
        dropped += left_out
        if source.count is not None:
            rows, beyond = _take(rows, source.count)
            dropped["beyond the source's count"] += beyond
        if source.only is not None:
            placed = divide(
                rows.with_columns(pinned=pl.lit(None, pl.String)),
                section.splits,
                section.split_seed,
            )
            kept = placed.filter(pl.col("split") == source.only).select(rows.columns)
            dropped[f"not in the {source.only} split"] += len(rows) - len(kept)
            rows = kept
        found.append(
            rows.with_columns(
                pl.lit(source.kind).alias("kind"),
                pl.lit(source.split, pl.String).alias("pinned"),
                difficulty=pl.coalesce(pl.lit(source.difficulty, pl.String), "difficulty"),
                question=pl.coalesce("question", "prompt"),
            )
        )
    return pl.concat(found), dropped


def _take(rows: pl.DataFrame, count: int) -> tuple[pl.DataFrame, int]:
    """Take the rows of ``count`` distinct prompts; also return how many rows are left out.

    They are chosen by a hash of the prompt, since datasets come sorted by topic or level.
    """
    points = pl.Series([split_point(f"count\n{prompt}", 0) for prompt in rows["prompt"]])
    taken = rows.filter(points.is_in(points.unique().sort().head(count).implode()))
    return taken, len(rows) - len(taken)


def _name(rows: pl.DataFrame) -> pl.DataFrame:
    """Give each problem an id of its own that stays when other problems come and go."""
    digests = [
        hashlib.sha256(normalise_prompt(prompt).encode()).hexdigest()[:16]
        for prompt in rows["prompt"]
    ]
    stems = [PurePath(source).stem for source in rows["source"]]
    named = rows.with_columns(
        _digest=pl.Series(digests, dtype=pl.String), _stem=pl.Series(stems, dtype=pl.String)
    ).with_columns(id=pl.coalesce("id", pl.format("{}-{}", "_stem", "_digest")))
    taken = ~pl.col("id").is_first_distinct()
    return named.with_columns(
        id=pl.when(taken).then(pl.format("{}-{}", "id", "_digest")).otherwise("id")
    ).drop("_digest", "_stem")
