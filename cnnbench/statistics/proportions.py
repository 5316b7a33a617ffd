"""Shares of right answers over seeds: their interval, and whether chance explains them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance

import numpy as np

from cnnbench.statistics.estimates import Estimate
from cnnbench.statistics.robust import Z, t_quantile
from cnnbench.statistics.verdict import NOT_ABOVE_CHANCE, ONE_SEED, STABLE, Verdict


def estimate(shares: Sequence[float], examples: int) -> Estimate:
    """Return the mean share of right answers over seeds, with its 95 % interval.

    Args:
        shares: one per seed, each in 0..1.
        examples: the test images, the same for every seed.

    The error from the choice of images is common to all seeds and not divided by their number:
    the variance is ``s² / k + p (1 - p) / n``, with Welch's degrees of freedom (Welch 1947;
    Satterthwaite 1946). One seed has Wilson's interval (Wilson 1927), of the images alone.
    """
    count = len(shares)
    if not count:
        raise ValueError("no samples")
    mean = fmean(shares)
    centre = (mean + Z**2 / (2 * examples)) / (1 + Z**2 / examples)
    if count == 1:
        spread = math.sqrt(mean * (1 - mean) / examples + Z**2 / (4 * examples**2))
        return _within(mean, centre, Z * spread / (1 + Z**2 / examples))
    of_seeds = variance(shares) / count
    # Wilson's centre, so that a perfect score has an interval.
    of_images = centre * (1 - centre) / examples
    total = of_seeds + of_images
    freedom = (count - 1) * (total / of_seeds) ** 2 if of_seeds > 0 else math.inf
    half = (float(t_quantile(freedom)) if freedom < 1e6 else Z) * math.sqrt(total)
    return _within(mean, mean, half)


def _within(value: float, centre: float, half: float) -> Estimate:
    """Return an estimate whose interval is rounded and clipped to 0..1."""
    return Estimate(value, max(0.0, round(centre - half, 12)), min(1.0, round(centre + half, 12)))


def verdict(
    shares: Sequence[float], examples: int, chance: float, *, has_seeds: bool = True
) -> Verdict:
    """Return whether a share is stable, not above chance, or of one seed only.

    Without seeds (nothing was trained) one share is all that there can be.
    """
    if estimate(shares, examples).low <= chance:
        return NOT_ABOVE_CHANCE
    return STABLE if len(shares) > 1 or not has_seeds else ONE_SEED


def gain(base: np.ndarray, new: np.ndarray) -> Estimate:
    """Return by how much the share of right answers rises from ``base`` to ``new``.

    Args:
        base, new: ``(examples,)`` of bool, which images were right.

    Only images that exactly one of them gets right carry information. The 95 % interval is the
    adjusted Wald interval of Bonett and Price (2012), with one such image added to each side, so
    that equal answers on few images have an interval too.
    """
    examples = len(base)
    won, lost = (int(np.sum(one & ~other)) for one, other in ((new, base), (base, new)))
    total = examples + 2
    centre, apart = (won - lost) / total, (won + lost + 2) / total
    half = Z * math.sqrt((apart - centre**2) / total)
    return Estimate((won - lost) / examples, centre - half, centre + half)
