"""Subsets keep every class's share and are the same at every call."""

from __future__ import annotations

import numpy as np
import pytest

from cnnbench.data import loading
from cnnbench.errors import JobFailed

LABELS = np.array([0] * 60 + [1] * 30 + [2] * 10)


@pytest.mark.parametrize(("count", "shares"), [(10, (6, 3, 1)), (50, (30, 15, 5))])
def test_every_class_keeps_its_share(count: int, shares: tuple[int, ...]) -> None:
    chosen = loading.subset(LABELS, count)
    assert tuple(np.bincount(LABELS[chosen], minlength=3)) == shares
    assert len(set(chosen)) == count


def test_a_subset_is_the_same_at_every_call() -> None:
    assert np.array_equal(loading.subset(LABELS, 37), loading.subset(LABELS, 37))


def test_a_subset_is_the_beginning_of_one_order_whatever_its_size() -> None:
    labels = np.random.default_rng(1).integers(0, 7, size=500)
    drawn = loading.order(labels)
    for count in (1, 7, 10, 333, 499):
        assert np.array_equal(loading.subset(labels, count), np.sort(drawn[:count]))


def test_no_count_is_everything_in_order() -> None:
    assert loading.subset(LABELS, None).tolist() == list(range(100))


def test_a_subset_of_shuffled_labels_is_exact_in_number() -> None:
    labels = np.random.default_rng(0).integers(0, 7, size=1000)
    assert len(loading.subset(labels, 333)) == 333


def test_more_than_there_are_is_said() -> None:
    with pytest.raises(JobFailed, match="101 examples asked for, but there are only 100"):
        loading.subset(LABELS, 101)


def test_held_out_parts_are_disjoint_and_complete() -> None:
    kept, held = loading.held_out(LABELS, 0.2)
    assert sorted([*kept, *held]) == list(range(100))
    assert tuple(np.bincount(LABELS[held])) == (12, 6, 2)
