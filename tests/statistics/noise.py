"""Random noise of latencies, as logarithms, for statistics whose true value is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TRIALS = 4000


def normal(rng: np.random.Generator, *shape: int) -> NDArray[np.float64]:
    """Noise of an idle machine: 1.5 % between processes."""
    return 0.015 * rng.standard_normal(shape)


def skewed(rng: np.random.Generator, *shape: int) -> NDArray[np.float64]:
    """Noise that only slows down."""
    return rng.exponential(0.02, shape)


def contaminated(rng: np.random.Generator, *shape: int) -> NDArray[np.float64]:
    """Noise of an idle machine on which one process in ten was disturbed by 30 %."""
    return normal(rng, *shape) + 0.3 * (rng.random(shape) < 0.1)


NOISES = [normal, skewed, contaminated]
