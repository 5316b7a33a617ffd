"""Accuracies over seeds and test images: intervals, gains and chance."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cnnbench.statistics import proportions


def test_accuracy_interval_of_one_seed_is_wilsons() -> None:
    # Wilson 1927: (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n), p = 0.9, n = 100, z = 1.96
    found = proportions.estimate([0.9], 100)
    assert (found.low, found.high) == pytest.approx((0.8256, 0.9448), abs=1e-4)


@pytest.mark.parametrize("examples", [100, 367, 2000, 10_000])
def test_an_interval_of_no_right_or_no_wrong_answer_ends_there(examples: int) -> None:
    assert proportions.estimate([0.0], examples).low == 0
    assert proportions.estimate([1.0], examples).high == 1
    nothing = proportions.estimate([0.0, 0.0], examples)
    assert str(proportions.verdict(nothing, 2, 0.0)) == "unstable: not above chance"


def test_accuracy_covers_seed_and_test_set_together() -> None:
    """Seeds differ by 2 points, all are judged on the same 300 images."""
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(1500):
        # what the shared test set does to all seeds alike
        shared = rng.normal(0, math.sqrt(0.8 * 0.2 / 300))
        seeds = np.clip(0.8 + shared + rng.normal(0, 0.02, 3), 0, 1)
        found = proportions.estimate(seeds, 300)
        covered += found.low <= 0.8 <= found.high
    assert covered >= 0.93 * 1500


def test_the_interval_of_a_gain_covers_the_truth() -> None:
    """The true gain is -0.02: 367 images, each won with 2 % and lost with 4 %."""
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(2000):
        base = rng.random(367) < 0.9
        draw = rng.random(367)
        new = np.where(base, draw >= 0.04 / 0.9, draw < 0.02 / 0.1)
        found = proportions.gain(base, new)
        covered += found.low <= -0.02 <= found.high
    assert 0.94 * 2000 <= covered <= 0.98 * 2000


def test_chance_is_never_stable() -> None:
    def verdict(shares: list[float]) -> str:
        found = proportions.estimate(shares, 10_000)
        return str(proportions.verdict(found, len(shares), chance=0.1))

    assert verdict([0.10, 0.11, 0.09]) == "unstable: not above chance"
    assert verdict([0.80, 0.81, 0.79]) == "stable"
    assert verdict([0.80]) == "unstable: one seed, at least 2 needed"
