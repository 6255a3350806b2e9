from hypothesis import given
from hypothesis import strategies as st

from z1.training.order import SortedBatches, row_length

rows = st.lists(st.integers(1, 50), max_size=60)


def epoch(sampler, number):
    sampler.set_epoch(number)
    return list(sampler)


@given(rows, st.integers(1, 9), st.integers(0, 2**31))
def test_each_batch_is_sorted_and_each_row_comes_once(lengths, batch_size, seed):
    order = epoch(SortedBatches(lengths, batch_size, seed), 0)
    assert sorted(order) == list(range(len(lengths)))
    for start in range(0, len(order), batch_size):
        batch = [lengths[row] for row in order[start : start + batch_size]]
        assert batch == sorted(batch, reverse=True)


def test_what_is_in_a_batch_is_chance_and_its_length_has_no_part_in_it():
    short, long = list(range(64)), [64 - n for n in range(64)]
    batches = [
        {frozenset(order[i : i + 8]) for i in range(0, 64, 8)}
        for order in (epoch(SortedBatches(lengths, 8, 0), 0) for lengths in (short, long))
    ]
    assert batches[0] == batches[1]


def test_an_epoch_has_the_same_order_after_a_restart_and_another_than_the_last():
    lengths = [1] * 100
    first, again = SortedBatches(lengths, 8, 5), SortedBatches(lengths, 8, 5)
    assert epoch(first, 3) == epoch(again, 3)
    assert epoch(first, 3) != epoch(first, 4)


def test_a_pair_is_as_long_as_its_longer_reply():
    assert row_length({"input_ids": [1, 2, 3]}) == 3
    assert row_length({"prompt_ids": [1], "chosen_ids": [1], "rejected_ids": [1, 2]}) == 3


def test_what_is_left_of_an_epoch_is_filled_with_the_row_that_is_there_for_it():
    order = SortedBatches([5, 3, 4, 1, 2], batch_size=4, seed=0, side_by_side=4)
    rows = list(order)
    assert len(rows) == len(order) == 8
    assert rows[:5] == list(SortedBatches([5, 3, 4, 1, 2], batch_size=4, seed=0))
    assert rows[5:] == [5, 5, 5]
    assert len(SortedBatches([5, 3, 4, 1], batch_size=4, seed=0, side_by_side=2)) == 4
