"""Texts fetched for the few rows that were chosen, in memory that their length does not change.

Rows are chosen on narrow columns. To put texts back, the output is cut into *buckets* of about
equally much text; the texts are read part by part and sorted out by bucket on disk; then each
bucket is put together alone. So it does not matter in what order replies are stored.
"""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

BUCKET_TOKENS = 2**24
"""About 65 MB of text."""
SPILL_BYTES = 2**26
TOGETHER_BYTES = 2**22
"""Of compressed parts that are read at once; a larger one is read alone."""
_TOKENS_OF_A_ROW = 200  # what a row costs beside its reply: prompt, id


def bucket(tokens: pl.Expr) -> pl.Expr:
    """Return the bucket of each row, in order, from the tokens of its texts."""
    return ((tokens + _TOKENS_OF_A_ROW).cast(pl.Int64).cum_sum() // BUCKET_TOKENS).cast(pl.UInt32)


def sort_out(parts: Iterable[Path], column: str, wanted: pl.DataFrame, folder: Path) -> None:
    """Copy the wanted texts of a column to files in ``folder``, by bucket.

    ``wanted`` has ``row``, counted through all parts from 0, and ``bucket``. Memory holds up to
    three parts, or three lots of small ones, and at most ``SPILL_BYTES`` of texts.
    """
    wanted = wanted.unique().sort("row")
    held: list[pl.DataFrame] = []
    start = size = spills = 0
    for texts in _read(parts, column):
        bounds = pl.Series([start, start + len(texts)], dtype=wanted["row"].dtype)
        first, end = wanted["row"].search_sorted(bounds, side="left")
        start += len(texts)
        if first < end:
            here = wanted[first:end]
            # Added to nothing, since a gathered series keeps all texts of the part in memory.
            texts = texts.gather(here["row"] - bounds[0]) + ""
            held.append(here.with_columns(texts.alias(column)))
            size += int(held[-1].estimated_size())
            if size > SPILL_BYTES:
                _spill(held, folder, spills)
                held, size, spills = [], 0, spills + 1
    _spill(held, folder, spills)


def _read(parts: Iterable[Path], column: str) -> Iterator[pl.Series]:
    """Read a column of all parts in order, some at a time and the next ones meanwhile."""

    def read(together: list[Path]) -> pl.Series:
        # Replies and examples have other columns beside this one.
        frame = pl.scan_parquet(together, extra_columns="ignore").select(column)
        # The streaming engine uses all cores, even for one column.
        return frame.collect(engine="streaming").to_series()

    with ThreadPoolExecutor(1) as ahead:
        next_texts = None
        for together in _group(parts):
            texts, next_texts = next_texts, ahead.submit(read, together)
            if texts is not None:
                yield texts.result()
        if next_texts is not None:
            yield next_texts.result()


def _group(parts: Iterable[Path]) -> Iterator[list[Path]]:
    """Put small parts together, each of which would take longer to open than to read."""
    group: list[Path] = []
    size = 0
    for part in parts:
        more = part.stat().st_size
        if group and size + more > TOGETHER_BYTES:
            yield group
            group, size = [], 0
        group.append(part)
        size += more
    if group:
        yield group


def _spill(held: list[pl.DataFrame], folder: Path, number: int) -> None:
    if not held:
        return
    for (name,), frame in pl.concat(held).partition_by("bucket", as_dict=True).items():
        path = folder / str(name) / f"{number:05d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.drop("bucket").write_parquet(path, compression_level=1)


def put_back(
    rows: pl.DataFrame, number: int, columns: Mapping[str, tuple[Path, str]]
) -> pl.DataFrame:
    """Add texts to the rows of one bucket.

    ``columns`` gives, for each new column, the folder that ``sort_out`` filled with its texts and
    the column of ``rows`` with their row numbers.
    """
    for name, (folder, key) in columns.items():
        texts = pl.read_parquet(folder / str(number) / "*.parquet")
        texts = texts.rename({"row": key, texts.columns[-1]: name})
        rows = rows.join(texts, on=key, how="left", maintain_order="left")
    return rows
