"""Paired bootstrap over problems: how sure a difference between two models is."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_CHUNK = 4_000_000  # weights held at once, so that memory does not grow with the problems


class Interval(NamedTuple):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


def resample_means(values: Floats, resamples: int, seed: int) -> Floats:
    """Draw as many problems as there are, with replacement, and return each column's mean.

    ``values`` has a row for each problem and a column for each figure; the result has a row for
    each resample. All columns of a resample see the same problems: that makes it paired.
    """
    count, columns = values.shape
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, columns))
    step = max(1, _CHUNK // count)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        # How often each problem is drawn is multinomial; the means are then one matrix product.
        weights = rng.multinomial(count, np.full(count, 1 / count), size=size)
        means[start : start + size] = weights @ values / count
    return means


def difference(first: Floats, second: Floats, resamples: int, seed: int) -> Interval:
    """Return mean(first) - mean(second) of two figures measured on the same problems."""
    draws = resample_means(np.column_stack([first, second]), resamples, seed)
    return _interval(float(first.mean() - second.mean()), draws[:, 0] - draws[:, 1])


def ratio(first: Floats, second: Floats, resamples: int, seed: int) -> Interval | None:
    """Return mean(first) / mean(second), or None where a resample's second mean is 0."""
    draws = resample_means(np.column_stack([first, second]), resamples, seed)
    if second.mean() == 0 or (draws[:, 1] == 0).any():
        return None
    return _interval(float(first.mean() / second.mean()), draws[:, 0] / draws[:, 1])


def _interval(value: float, draws: Floats) -> Interval:
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(value, float(low), float(high))
