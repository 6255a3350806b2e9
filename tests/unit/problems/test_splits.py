"""Splits never overlap, and problems stay where they are."""

from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from z1.problems.splits import divide, split_point
from z1.recipe import Splits
from z1.records import SPLITS, normalise_prompt

# A few prompts, so that sources overlap, in forms that count as the same.
prompts = st.builds(
    lambda number, form: form.format(number),
    st.integers(0, 30),
    st.sampled_from(["What is {}?", "what  is {}?", " WHAT IS\n{}? "]),
)
sources = st.tuples(st.none() | st.sampled_from(SPLITS), st.lists(prompts, max_size=12))


@st.composite
def shares(draw: st.DrawFn) -> Splits:
    parts = draw(st.lists(st.integers(0, 10), min_size=5, max_size=5).filter(any))
    return Splits(**{name: n / sum(parts) for name, n in zip(SPLITS, parts, strict=False)})


def rows(found: list[tuple[str | None, list[str]]]) -> pl.DataFrame:
    content = [{"prompt": p, "pinned": pinned} for pinned, source in found for p in source]
    return pl.DataFrame(content, schema={"prompt": pl.String, "pinned": pl.String})


def splits_of(frame: pl.DataFrame) -> dict[str, Any]:
    """Return the split of each distinct prompt; there is one row for each."""
    keys = [normalise_prompt(prompt) for prompt in frame["prompt"]]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, frame["split"], strict=True))


@given(st.lists(sources, max_size=4), shares(), st.integers(0, 5))
def test_each_prompt_is_in_one_split(
    found: list[tuple[str | None, list[str]]], splits: Splits, seed: int
) -> None:
    claims: dict[str, list[str | None]] = {}
    for pinned, source in found:
        for prompt in source:
            split = pinned or expected_split(split_point(prompt, seed), splits)
            claims.setdefault(normalise_prompt(prompt), []).append(split)
    assert splits_of(divide(rows(found), splits, seed)) == {
        prompt: "evaluation" if "evaluation" in made else made[0] for prompt, made in claims.items()
    }


def expected_split(point: float, splits: Splits) -> str | None:
    for name in SPLITS:
        if point < round(getattr(splits, name), 12):
            return name
        point -= getattr(splits, name)
    return None if point > 1e-9 else SPLITS[-1]


@given(st.lists(sources, max_size=3), st.lists(prompts), shares(), st.integers(0, 5))
def test_problems_added_later_move_none(
    found: list[tuple[str | None, list[str]]], added: list[str], splits: Splits, seed: int
) -> None:
    before = splits_of(divide(rows(found), splits, seed))
    after = splits_of(divide(rows([*found, (None, added)]), splits, seed))
    for prompt, split in before.items():
        # A copy that is not put anywhere can only take a prompt out of training.
        assert after[prompt] in {split, "evaluation"}
    unpinned = [(None, source) for _, source in found]
    before = splits_of(divide(rows(unpinned), splits, seed))
    for more in ([*unpinned, (None, added)], [(None, added), *unpinned]):
        after = splits_of(divide(rows(more), splits, seed))
        assert {prompt: after[prompt] for prompt in before} == before


@given(st.lists(sources, min_size=1, max_size=3), st.lists(prompts), shares(), st.integers(0, 5))
def test_nothing_leaves_evaluation(
    found: list[tuple[str | None, list[str]]], added: list[str], splits: Splits, seed: int
) -> None:
    before = splits_of(divide(rows(found), splits, seed))
    for pinned in (None, *SPLITS):
        for more in ([*found, (pinned, added)], [(pinned, added), *found]):
            after = splits_of(divide(rows(more), splits, seed))
            assert all(
                after[prompt] == "evaluation" for prompt, s in before.items() if s == "evaluation"
            )


def test_shares_are_kept_and_full_shares_leave_nothing_out() -> None:
    many = rows([(None, [f"problem {i}" for i in range(4000)])])
    divided = divide(many, Splits(evaluation=0.1, seed=0.2, train=0.5, iteration=0.2), seed=3)
    counts = dict(divided.group_by("split").len().iter_rows())
    assert set(counts) == set(SPLITS)
    for name, share in [("evaluation", 0.1), ("seed", 0.2), ("train", 0.5), ("iteration", 0.2)]:
        assert abs(counts[name] / 4000 - share) < 0.04
    half = divide(many, Splits(evaluation=0.1, seed=0.2, train=0.1, iteration=0.1), seed=3)
    assert abs(half["split"].null_count() / 4000 - 0.5) < 0.04
    kept = divided.filter(pl.col("split") == "evaluation")["prompt"]
    assert half.filter(pl.col("split") == "evaluation")["prompt"].equals(kept)


def test_points_never_change() -> None:
    # What the shipped model was not shown depends on these.
    assert split_point("23 + 45", 0) == split_point("  23  + 45\n", 0)
    assert split_point("23 + 45", 0) != split_point("23 + 45", 1)
    assert round(split_point("23 + 45", 0), 6) == 0.196651
