"""Percentiles of calls, and how many calls they need."""

from __future__ import annotations

import numpy as np
import pytest

from cnnbench.statistics import percentiles


@pytest.mark.parametrize("q", [50, 90, 95, 99, 99.9])
def test_calls_needed_is_the_smallest_count_with_two_calls_above_at_99_percent(q: float) -> None:
    def fewer_than_two_above(n: int) -> float:
        p = q / 100
        return p**n + n * (1 - p) * p ** (n - 1)

    n = percentiles.CALLS_NEEDED[q]
    assert fewer_than_two_above(n) <= 0.01 < fewer_than_two_above(n - 1)


def test_percentiles_only_with_enough_calls() -> None:
    assert percentiles.percentile([1.0] * 10, 50) is None
    # inclusive: rank 1 + 0.5 * (11 - 1) = 6
    assert percentiles.percentile(range(1, 12), 50) == 6
    assert percentiles.percentile(range(63), 90) is None
    # 0 + 0.9 * (101 - 1) = 90
    assert percentiles.percentile(range(101), 90) == 90
    assert percentiles.calls_missing(63, 90) == 1
    assert percentiles.calls_missing(662, 99) == 0
    assert percentiles.percentile(range(6635), 99.9) is None
    # 0 + 0.999 * (10001 - 1) = 9990
    assert percentiles.percentile(range(10001), 99.9) == pytest.approx(9990)


def test_percentiles_have_words_for_names_of_metrics() -> None:
    assert [percentiles.word(q) for q in (50, 99, 99.9)] == ["p50", "p99", "p999"]


def test_percentiles_of_few_calls_are_numpys_to_the_last_bit() -> None:
    rng = np.random.default_rng(9)
    for count in (*range(1, 40), 199, 200, 201, 1000):
        calls = rng.lognormal(-4, 0.3, count).tolist()
        for q in (50, 90, 95, 99):
            assert percentiles.quantile(calls, q) == float(np.percentile(calls, q)), (count, q)
