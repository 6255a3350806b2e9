"""Replies that go round in a loop: the same block of text over and over.

A model that degenerates says one block again and again, word for word. So a reply counts as
repeating itself if a block stands in it at least ``REPEATS`` times back to back and the repetition
covers at least ``COVERED`` characters, white space counted once. Being exact, this leaves alone
what long reasoning does on purpose and what measures by compression or repeated n-grams take for
loops: checking a sum twice, writing out the program again, tables of like rows, traces of an
algorithm. What it finds wrongly is honest text that is the same block over and over: a table of
four or more equal rows, a list of some 130 zeros, a ruled line of 400 dashes. What it misses is a
loop that changes as it goes, such as one that counts its rounds.
"""

import numpy as np
from numpy.typing import NDArray

REPEATS = 4
COVERED = 400
_GRAM = 16  # characters by which two places are compared at first
_PERIODS = 32  # lengths of block that are looked into, the likeliest first


def loops(text: str) -> bool:
    """Tell whether a reply repeats itself."""
    return longest_loop(text) > 0


def longest_loop(text: str) -> int:
    """Return how many characters the longest loop of a text covers, or 0 if it has none."""
    spaced = " ".join([*text.split(), ""])  # the space ends the last block like those before it
    codes = np.frombuffer(spaced.encode("utf-32-le", "replace"), np.uint32)
    longest = 0
    for period in _periods(codes):
        same = codes[period:] == codes[:-period]
        ends = np.flatnonzero(np.concatenate([[True], ~same, [True]]))
        covered = int(np.diff(ends).max()) - 1 + period
        if covered >= max(REPEATS * period, COVERED):
            longest = max(longest, covered)
    return longest


def _periods(codes: NDArray[np.uint32]) -> list[int]:
    """Return the distances at which text comes again, the most frequent ones."""
    count = len(codes) - _GRAM + 1
    if len(codes) < COVERED:
        return []
    grams = np.zeros(count, np.uint64)
    for place in range(_GRAM):  # a hash of the characters from each place on; overflow is meant
        grams = grams * np.uint64(1_000_003) + codes[place : place + count]
    order = np.argsort(grams, kind="stable")
    again = grams[order][1:] == grams[order][:-1]
    distances, counts = np.unique(np.diff(order)[again], return_counts=True)
    likely = distances[np.argsort(-counts, kind="stable")][:_PERIODS]
    return [int(period) for period in likely]
