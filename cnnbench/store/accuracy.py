"""How sure an accuracy is: the choice of seeds and the choice of test images, in one interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance

from cnnbench.store.statistics import CONFIDENCE, Estimate


def over_seeds(shares: Sequence[float], n_test: int) -> Estimate:
    """The mean share of right answers with its 95 % interval.

    The seeds see the same test images, so their spread ``s² / k`` says nothing of the choice of
    images, and more seeds do not lessen its part, ``p (1 - p) / n``. Both are added; the degrees
    of freedom are Satterthwaite's (1946), with ``k - 1`` for the seeds and infinitely many for the
    images. ``p`` is the Agresti-Coull centre (1998), so that 0 of n is not certain. With one seed
    the interval covers the test images alone.

    Args:
        shares: one a seed, in 0..1.
        n_test: test images.
    """
    from scipy.special import stdtrit

    mean, seeds = fmean(shares), len(shares)
    centre = (mean * n_test + 2) / (n_test + 4)
    images = centre * (1 - centre) / n_test
    spread = variance(shares) / seeds if seeds > 1 else 0.0
    total = spread + images
    freedom = total**2 * (seeds - 1) / spread**2 if spread else 1e9
    half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * math.sqrt(total)
    return Estimate(mean, max(0.0, mean - half), min(1.0, mean + half))


def verdict(found: Estimate, seeds: int, chance: float) -> str:
    """``stable``, or ``unstable: `` and why; ``chance`` is the share of the largest class."""
    if found.low <= chance:
        return f"unstable: not above chance ({chance:.0%})"
    if seeds < 2:
        return "unstable: one seed"
    return "stable"
