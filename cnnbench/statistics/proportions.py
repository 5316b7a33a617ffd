"""Mean scores of images, in 0..1, over seeds: their interval, and whether chance explains them.

A share of right answers is the mean of scores of 0 and 1; the variance of these between images
follows from the mean, ``p (1 - p)``, and no scores in 0..1 with that mean vary more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance

import numpy as np

from cnnbench.statistics.estimates import Estimate
from cnnbench.statistics.robust import Z, t_quantile
from cnnbench.statistics.verdict import NOT_ABOVE_CHANCE, ONE_SEED, STABLE, Verdict


def estimate(means: Sequence[float], examples: int, spread: float | None = None) -> Estimate:
    """Return the mean score over seeds, with its 95 % interval.

    Args:
        means: the mean over all images, one per seed, each in 0..1.
        examples: the test images, the same for every seed.
        spread: variance between the images of their mean scores over the seeds; None for ``p (1 -
            p)``, that of right and wrong answers.

    The error from the choice of images is common to all seeds and not divided by their number:
    the variance is ``s² / k + spread / n``, with Welch's degrees of freedom (Welch 1947;
    Satterthwaite 1946). One seed has Wilson's interval (Wilson 1927), of the images alone, or that
    interval with the given variance. Wilson's interval is that of ``n + z²`` images, ``z²`` of them
    added, half with a score of 0 and half with 1, so that a perfect score has an interval too.
    """
    count = len(means)
    if not count:
        raise ValueError("no samples")
    mean = fmean(means)
    less = 0.0 if spread is None else max(mean * (1 - mean) - spread, 0.0)
    centre = (mean + Z**2 / (2 * examples)) / (1 + Z**2 / examples)
    if count == 1:
        of_images = (mean * (1 - mean) - less) / examples
        half = Z * math.sqrt(of_images + Z**2 / (4 * examples**2))
        return _within(mean, centre, half / (1 + Z**2 / examples))
    of_seeds = variance(means) / count
    of_images = (centre * (1 - centre) - less / (1 + Z**2 / examples)) / examples
    total = of_seeds + of_images
    freedom = (count - 1) * (total / of_seeds) ** 2 if of_seeds > 0 else math.inf
    half = (float(t_quantile(freedom)) if freedom < 1e6 else Z) * math.sqrt(total)
    return _within(mean, mean, half)


def _within(value: float, centre: float, half: float) -> Estimate:
    """Return an estimate whose interval is rounded and clipped to 0..1."""
    return Estimate(value, max(0.0, round(centre - half, 12)), min(1.0, round(centre + half, 12)))


def verdict(found: Estimate, seeds: int, chance: float, *, has_seeds: bool = True) -> Verdict:
    """Return whether a mean score is stable, not above chance, or of one seed only.

    Args:
        found: the mean, as `estimate` gives it.
        seeds: their number.
        chance: the mean score without looking at the images.
        has_seeds: False where nothing was trained, so that one score is all that there can be.
    """
    if found.low <= chance:
        return NOT_ABOVE_CHANCE
    return STABLE if seeds > 1 or not has_seeds else ONE_SEED


def gain(base: np.ndarray, new: np.ndarray, scale: int = 1) -> Estimate:
    """Return by how much the mean score rises from ``base`` to ``new``.

    Args:
        base, new: score of each image, ``(examples,)``, in whole numbers: 0 to ``scale``; of bool,
            which images were right.
        scale: what is a score of 1.

    Of right and wrong answers, only images that exactly one of them gets right carry information.
    The 95 % interval is the adjusted Wald interval of Bonett and Price (2012), with one such image
    added to each side, so that equal scores on few images have an interval too.
    """
    rises = new.astype(np.int64) - base.astype(np.int64)
    total, squares = int(rises.sum()), int((rises**2).sum())
    examples = len(rises) + 2
    centre, apart = total / (scale * examples), (squares / scale**2 + 2) / examples
    half = Z * math.sqrt((apart - centre**2) / examples)
    return Estimate(total / (scale * len(rises)), centre - half, centre + half)
