import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from z1.recipe import Selection
from z1.selection.token_budget import RULE

LENGTHS = st.lists(st.integers(0, 50), min_size=1, max_size=30)


def choose(lengths, seed=0, shuffle=False, **options):
    pool = pl.DataFrame(
        {
            "row": range(len(lengths)),
            "problem": range(len(lengths)),
            "effort": None,
            "sample": 0,
            "thinking_tokens": lengths,
        },
        schema_overrides={"row": pl.UInt32, "thinking_tokens": pl.Int32},
    )
    pool = pool.sample(fraction=1, shuffle=True, seed=1) if shuffle else pool
    choice = RULE.choose(pool.lazy(), Selection(**options), seed).collect()
    assert sorted(choice["row"]) == list(range(len(lengths)))
    return set(choice.filter(pl.col("reason").is_null())["row"])


@given(LENGTHS, st.integers(1, 800), st.sampled_from(["random", "longest", "shortest"]))
def test_the_total_is_kept_and_the_next_reply_would_exceed_it(lengths, tokens, order):
    kept = choose(lengths, tokens=tokens, order=order)
    total = sum(lengths[row] for row in kept)
    assert total <= tokens
    left = [length for row, length in enumerate(lengths) if row not in kept]
    if left and order != "random":
        following = max(left) if order == "longest" else min(left)
        assert total + following > tokens
        chosen = [lengths[row] for row in kept]
        sign = -1 if order == "longest" else 1
        assert all(sign * length <= sign * following for length in chosen)


@given(LENGTHS)
def test_without_a_total_all_are_taken(lengths):
    assert choose(lengths) == set(range(len(lengths)))


@given(LENGTHS, st.integers(1, 800))
def test_the_order_of_the_files_changes_nothing(lengths, tokens):
    assert choose(lengths, tokens=tokens) == choose(lengths, tokens=tokens, shuffle=True)


def test_a_random_subset_is_drawn_by_the_seed_and_not_by_length():
    lengths = [10] * 500 + [100] * 500
    drawn = [choose(lengths, seed, tokens=27_500) for seed in range(3)]
    assert drawn[0] != drawn[1] != drawn[2]
    for kept in drawn:
        long = sum(lengths[row] == 100 for row in kept)
        assert 0.4 < long / len(kept) < 0.6


def test_sums_beyond_32_bits_are_right():
    lengths = [2**30] * 8
    assert len(choose(lengths, tokens=5 * 2**30, order="longest")) == 5
