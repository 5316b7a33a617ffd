"""The interval of an accuracy, worked out by hand and covered in simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cnnbench.store.accuracy import over_seeds, verdict


def test_one_seed_has_the_interval_of_its_test_images() -> None:
    """90 of 100: centre 92/104, so ± 1.96 sqrt(0.8846 * 0.1154 / 100) = ± 0.0626."""
    found = over_seeds([0.9], 100)
    assert found.value == 0.9
    assert found.high - 0.9 == pytest.approx(1.959964 * math.sqrt(92 * 12 / 104**2 / 100), rel=1e-4)
    assert verdict(found, 1, 0.1) == "unstable: one seed"


def test_three_seeds_that_differ_much_have_a_wide_interval() -> None:
    """s² = 0.01, so se = 0.0577 with two degrees of freedom: t = 4.303, ± 0.248."""
    found = over_seeds([0.5, 0.6, 0.7], 10**9)
    assert found.value == pytest.approx(0.6)
    assert found.high - found.value == pytest.approx(4.303 * math.sqrt(0.01 / 3), rel=1e-3)


def test_chance_is_never_ranked() -> None:
    assert verdict(over_seeds([0.10, 0.11, 0.12], 1000), 3, 0.1) == (
        "unstable: not above chance (10%)"
    )
    assert verdict(over_seeds([0.80, 0.81, 0.80], 1000), 3, 0.1) == "stable"


@pytest.mark.parametrize(("seeds", "n_test", "spread"), [(3, 400, 0.02), (3, 5000, 0.01),
                                                         (5, 1000, 0.0), (10, 300, 0.05)])  # fmt: skip
def test_the_interval_covers_the_truth_in_95_of_100(seeds: int, n_test: int, spread: float) -> None:
    """Seeds share their test images: an image's difficulty is drawn once, a seed's skill each time.

    The truth is the mean over all seeds and all images. Up to two points more or less than 95 %.
    """
    random = np.random.default_rng(7)
    truth, covered, runs = 0.85, 0, 2000
    for _ in range(runs):
        easy = random.random(n_test)  # an image is right where its difficulty is below the skill
        skills = truth + spread * random.standard_normal(seeds)
        shares = [(easy < skill).mean() for skill in skills]
        found = over_seeds([float(share) for share in shares], n_test)
        covered += found.low <= truth <= found.high
    assert 0.93 <= covered / runs <= 0.99
