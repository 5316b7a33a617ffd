"""Fits of latency by costs, and their errors on families left out."""

from __future__ import annotations

import numpy as np
import pytest

from cnnbench.forecast import costs, fitting
from cnnbench.forecast.fitting import Fitted, TrainingSet
from cnnbench.forecast.operations import Operation
from tests.forecast.networks import NAMES, table


def by_hand(families: str, seconds: list[float], macs: list[float]) -> TrainingSet:
    rows = len(seconds)
    made = np.zeros((rows, len(costs.COSTS)))
    made[:, 0] = macs
    names = tuple(f"n{row}" for row in range(rows))
    return TrainingSet(names, tuple(families), made, np.array(macs), np.array(seconds))


def test_costs_are_sums_over_operations_by_kind() -> None:
    found = dict(
        zip(
            costs.COSTS,
            costs.costs(
                [
                    Operation("convolution", 1000, 10, 20, weights=5, outputs=24, window=9),
                    Operation("convolution", 100, 1, 2, weights=7, outputs=32, window=1),
                    Operation("depthwise", 300, 30, 40, weights=9, outputs=8, window=9, groups=8),
                    Operation("pooling", 0, 16, 4, window=4),
                    Operation("copy", 0, 3, 4),
                ]
            ),
            strict=True,
        )
    )
    assert found["calls"] == 5
    # 24 channels take two tiles of 16.
    assert found["window_macs"] == pytest.approx(1000 * 32 / 24)
    assert found["pointwise_macs"] == 100
    assert (found["depthwise_macs"], found["depthwise_moved"]) == (300, 70)
    assert (found["convolution_weights"], found["convolution_moved"]) == (12, 33)
    assert (found["pooled"], found["copied"]) == (16, 7)
    assert found["dense_weights"] == found["activated"] == 0


def test_non_negative_costs_reproduce_latencies_that_follow_from_them() -> None:
    whole = table()
    fitted = fitting.by_costs(whole)
    assert fitted(whole.costs, whole.macs) == pytest.approx(whole.seconds, rel=1e-6)


def test_macs_alone_take_the_median_rate() -> None:
    made = by_hand("abc", [1.0, 4.0, 9.0], [1.0, 2.0, 3.0])  # 1, 2 and 3 s a MAC
    assert fitting.by_macs(made)(made.costs, made.macs) == pytest.approx([2.0, 4.0, 6.0])


def test_a_family_is_predicted_by_a_fit_that_has_not_seen_it() -> None:
    seen: list[set[str]] = []

    def recording(part: TrainingSet) -> Fitted:
        seen.append(set(part.families))
        return lambda costs, macs: np.full(len(macs), float(len(part.names)))

    made = by_hand("aabc", [1.0] * 4, [1.0] * 4)
    assert list(fitting.held_out(made, recording)) == [2, 2, 3, 3]
    assert seen == [{"b", "c"}, {"a", "c"}, {"a", "b"}]


def test_errors_are_relative_to_what_was_measured() -> None:
    made = by_hand("ab", [2.0, 4.0], [1.0, 1.0])
    assert fitting.errors(made, np.array([1.0, 5.0])) == pytest.approx([0.5, 0.25])


@pytest.mark.parametrize(
    ("names", "is_enough"), [(NAMES, True), (NAMES[:11], False), (NAMES[:2] * 10, False)]
)
def test_few_networks_or_families_are_not_enough(names: tuple[str, ...], is_enough: bool) -> None:
    assert table(names).is_enough is is_enough
