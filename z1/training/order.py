"""The order of the training rows: batches as random as ever, less padding within them.

Each optimiser batch is drawn at random and only then sorted by length, so that the sequences that
lie side by side on a device are of like length. The loss is averaged over the whole optimiser
batch, so the order within it changes nothing but the time: no padding of short rows to long ones.
"""

from collections.abc import Iterator, Sequence, Sized

import torch
from torch.utils.data import Sampler


class SortedBatches(Sampler[int]):
    """Yields the rows of an epoch: random batches, each from its longest row to its shortest.

    The longest rows come first so that a device without the memory for them fails at once. With
    ``side_by_side`` an epoch is filled up to a multiple of that with the row after the last, which
    is there to fill: otherwise the processes would be given rows of the epoch's beginning again.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, seed: int, side_by_side: int = 1
    ) -> None:
        self.lengths = lengths
        self.fillers = -len(lengths) % side_by_side
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; each has an order of its own, the same after a restart."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths) + self.fillers

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        rows: list[int] = torch.randperm(len(self.lengths), generator=generator).tolist()
        for start in range(0, len(rows), self.batch_size):
            batch = rows[start : start + self.batch_size]
            yield from sorted(batch, key=lambda row: -self.lengths[row])
        yield from [len(self.lengths)] * self.fillers


def row_length(row: dict[str, Sized]) -> int:
    """Return the number of tokens a row takes on the device."""
    if "input_ids" in row:
        return len(row["input_ids"])
    return len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"]))
