"""Drift correction by the reference timed with a network.

A reference that takes longer in one process than in another shows that the machine was slower
then. Dividing by it corrects for that where the network's calls slow down as it does, which is why
each runtime names the workload that its calls follow, or none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

# A table from elsewhere may hold any number; results computed from it stay finite.
SMALLEST, LARGEST = 1e-300, 1e300

_DECIMALS = 12  # of a logarithm; processors disagree on later ones


def ratios(
    samples: Sequence[float], references: Sequence[float], *, of_rate: bool = False
) -> tuple[float, ...]:
    """Return sample ÷ reference of every process.

    Args:
        samples: one per process: seconds, or a rate per second (``of_rate``), which is multiplied
            by the reference.
        references: seconds of the reference in each.

    Returns:
        Nothing where no reference was timed with each sample, or where one is no positive number.
    """
    if len(samples) != len(references) or min((*samples, *references), default=0.0) <= 0:
        return ()
    pairs = zip(samples, references, strict=True)
    return tuple(sample * beside if of_rate else sample / beside for sample, beside in pairs)


def log_ratios(samples: Sequence[float], references: Sequence[float] | None = None) -> np.ndarray:
    """Return ``log(sample / reference)`` of every process, however large or small.

    Raises:
        ValueError: no samples, or not as many references.
    """
    logs = logarithms(samples)
    if not len(logs):
        raise ValueError("no samples")
    if references is None:
        return logs
    if len(references) != len(samples):
        raise ValueError(f"{len(samples)} samples and {len(references)} references")
    return np.asarray(logs - logarithms(references))


def logarithms(values: Sequence[float]) -> np.ndarray:
    """Return natural logarithms of positive values, the same on every processor."""
    return np.array([_logarithm(float(value)) for value in values])


def _logarithm(value: float) -> float:
    return round(math.log(min(max(value, SMALLEST), LARGEST)), _DECIMALS)
