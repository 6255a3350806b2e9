import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from z1.evaluation import bootstrap
from z1.evaluation.bootstrap import difference, ratio, resample_means


@given(
    arrays(float, st.integers(1, 30), elements=st.floats(-100, 100)),
    st.floats(-10, 10),
)
def test_a_constant_difference_is_certain_because_problems_are_paired(first, shift):
    found = difference(first + shift, first, resamples=50, seed=0)
    assert found == pytest.approx((shift, shift, shift), abs=1e-9)


def test_a_constant_ratio_is_certain_because_problems_are_paired():
    tokens = np.random.default_rng(1).uniform(1, 90, 200)
    assert ratio(0.6 * tokens, tokens, 200, 0) == pytest.approx((0.6, 0.6, 0.6))


def test_the_interval_is_that_of_normal_theory():
    rng = np.random.default_rng(2)
    first, second = rng.normal(0.95, 0.2, 500), rng.normal(0.93, 0.2, 500)
    found = difference(first, second, 20_000, 0)
    paired = first - second
    half = 1.96 * paired.std(ddof=1) / np.sqrt(500)
    assert found.value == pytest.approx(paired.mean())
    assert found.low == pytest.approx(paired.mean() - half, abs=half / 20)
    assert found.high == pytest.approx(paired.mean() + half, abs=half / 20)


def test_the_ratio_is_of_means_and_not_the_mean_of_ratios():
    first, second = np.array([1.0, 90.0] * 50), np.array([10.0, 100.0] * 50)
    assert ratio(first, second, 100, 0).value == pytest.approx(91 / 110)


def test_the_ratio_to_a_model_that_does_not_think_is_unknown():
    assert ratio(np.ones(5), np.zeros(5), 20, 0) is None
    assert ratio(np.ones(5), np.array([0, 0, 0, 0, 1.0]), 200, 0) is None


def test_the_same_seed_gives_the_same_interval_whatever_the_chunks(monkeypatch):
    values = np.random.default_rng(3).random((40, 2))
    whole = resample_means(values, 500, seed=7)
    monkeypatch.setattr(bootstrap, "_CHUNK", 400)
    assert np.allclose(whole, resample_means(values, 500, seed=7), rtol=1e-12)
    assert not np.allclose(whole, resample_means(values, 500, seed=8))
    assert len(np.unique(whole[:, 0])) > 400
