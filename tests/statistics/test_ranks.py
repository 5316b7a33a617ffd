"""Spearman's rho and its interval, and Kendall's tau-b."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cnnbench.statistics.ranks import kendall, ranks, spearman


def test_rho_depends_on_ranks_only() -> None:
    found = spearman([1, 2, 3, 4, 5], [1, 10, 100, 1000, 9])
    # d = 0, -1, -1, -1, 3: 1 - 6 * 12 / (5 * 24) = 0.4
    assert found.rho == pytest.approx(0.4)
    assert found.low < found.rho < found.high


def test_equal_values_have_their_mean_rank() -> None:
    # Ranks 1.5, 1.5, 3, 4, 5 and 1, 2, 3, 4.5, 4.5: covariance 9, variances 9.5 each.
    found = spearman([7, 7, 8, 9, 10], [1, 2, 3, 4, 4])
    assert found.rho == 9 / 9.5


def test_an_identical_order_has_an_interval() -> None:
    found = spearman(range(15), range(15))
    assert found.rho == found.high == pytest.approx(1)
    assert 0.98 < found.low < 1
    found = spearman(range(5), range(5, 0, -1))
    assert found.rho == found.low == pytest.approx(-1)
    assert -1 < found.high < 0.5


def test_constant_values_have_no_correlation() -> None:
    found = spearman([1] * 6, range(6))
    assert (found.low, found.high) == (-1, 1)


def test_refuses_four_pairs() -> None:
    with pytest.raises(ValueError, match="4 pairs, 5 are needed"):
        spearman(range(4), range(4))


def test_the_interval_of_rho_covers_the_truth() -> None:
    """1,000 samples of 15 from a bivariate normal whose rank correlation is known exactly."""
    random = np.random.default_rng(0)
    pearson = 0.8
    truth = 6 / np.pi * np.arcsin(pearson / 2)
    inside = 0
    for _ in range(1000):
        x, y = random.multivariate_normal([0, 0], [[1, pearson], [pearson, 1]], 15).T
        found = spearman(list(x), list(y))
        inside += found.low <= truth <= found.high
    assert 0.92 < inside / 1000 < 0.98


def test_equal_values_share_the_better_rank() -> None:
    assert ranks([3.0, 1.0, 2.0, 1.0]) == [4, 1, 3, 1]


def test_kendall_equals_scipys_tau_b() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        first, second = random.integers(0, 5, (2, 8))
        expected = stats.kendalltau(first, second).statistic
        assert kendall(first, second) == pytest.approx(expected, abs=1e-9)
    several = random.random((2, 3, 6))
    rows = [float(kendall(*pair)) for pair in zip(*several, strict=True)]
    assert kendall(*several).tolist() == rows
    assert kendall([1, 1, 1], [1, 2, 3]) == 0
