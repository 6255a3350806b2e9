"""Texts come back to the rows they belong to, whatever the cuts."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from z1.selection import texts


@given(
    cuts=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    wanted=st.lists(st.tuples(st.integers(0, 23), st.integers(0, 23)), min_size=1, max_size=20),
    bucket_tokens=st.sampled_from([1, 500, 10**9]),
    spill=st.sampled_from([0, 40, 10**9]),
    together=st.sampled_from([0, 1500, 10**9]),  # a part here has some 800 bytes
)
def test_each_row_gets_its_texts(
    tmp_path_factory: pytest.TempPathFactory,
    cuts: list[int],
    wanted: list[tuple[int, int]],
    bucket_tokens: int,
    spill: int,
    together: int,
) -> None:
    folder: Path = tmp_path_factory.mktemp("texts")
    parts, start = [], 0
    for number, height in enumerate([*cuts, 24]):
        replies = [f"reply {start + i} ü" for i in range(height)]
        words = pl.DataFrame({"text": replies}, schema={"text": pl.String})
        words.write_parquet(folder / f"{number}.parquet")
        parts.append(folder / f"{number}.parquet")
        start += height
    schema = {"a": pl.UInt32, "b": pl.UInt32}
    rows = pl.DataFrame(wanted, schema=schema, orient="row").with_columns(tokens=7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "BUCKET_TOKENS", bucket_tokens)
        patch.setattr(texts, "SPILL_BYTES", spill)
        patch.setattr(texts, "TOGETHER_BYTES", together)
        rows = rows.with_columns(bucket=texts.bucket(pl.col("tokens")))
        for name in "ab":
            needed = rows.select("bucket", row=name)
            texts.sort_out(parts, "text", needed, folder / name)
    columns = {f"text_{name}": (folder / name, name) for name in "ab"}
    done = pl.concat(
        texts.put_back(part, part["bucket"][0], columns)
        for part in rows.partition_by("bucket", maintain_order=True)
    )
    assert done.select("a", "b", "text_a", "text_b").rows() == [
        (a, b, f"reply {a} ü", f"reply {b} ü") for a, b in wanted
    ]


def test_buckets_hold_about_equally_much_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "BUCKET_TOKENS", 10_000)
    rows = pl.DataFrame({"tokens": pl.Series([800] * 100, dtype=pl.Int32)})
    sizes = rows.group_by(texts.bucket(pl.col("tokens"))).len()["len"]
    assert len(sizes) == 11
    assert sizes.max() == 10
