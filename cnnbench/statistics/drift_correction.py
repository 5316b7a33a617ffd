"""Drift correction by the reference timed with a network; selection of processes.

A reference that takes longer in one process than in another shows that the machine was slower
then. Dividing by it corrects for that as long as both are slowed alike, as by a lower clock. If
other work shares a core, they are not: of five small networks on a virtual machine whose
neighbour woke up, one took 1.05 times as long, one 1.7 times, and the reference 1.4 times. Such a
process is left out if enough others remain. Only the reference decides, never the time of the
network, so that leaving it out favours no network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cnnbench.statistics.robust import FEWEST_PROCESSES

# A reference that took longer by this factor than the fastest of its cell: beyond what the clock
# does by itself on a quiet machine (5 % here), well within what a neighbour does (35 to 55 %).
_SLOWED = 1.25

# A table from elsewhere may hold any number; results computed from it stay finite.
SMALLEST, LARGEST = 1e-300, 1e300

_DECIMALS = 12  # of a logarithm; processors disagree on later ones


def undisturbed(references: Sequence[float]) -> list[int]:
    """Return the indices of the processes during which the machine was not slowed down."""
    fastest = min(references, default=0.0)
    return [index for index, seconds in enumerate(references) if seconds <= _SLOWED * fastest]


def counted(references: Sequence[float]) -> list[int]:
    """Return the indices of valid processes: the undisturbed, or all if these are too few."""
    indices = undisturbed(references)
    return indices if len(indices) >= FEWEST_PROCESSES else list(range(len(references)))


def ratios(
    samples: Sequence[float], references: Sequence[float], *, of_rate: bool = False
) -> tuple[float, ...]:
    """Return sample ÷ reference of every valid process.

    Args:
        samples: one per process: seconds, or a rate per second (``of_rate``), which is multiplied
            by the reference.
        references: seconds of the reference in each.

    Returns:
        Nothing where no reference was timed with each sample, or where one is no positive number.
    """
    if len(samples) != len(references) or min((*samples, *references), default=0.0) <= 0:
        return ()
    return tuple(
        samples[index] * references[index] if of_rate else samples[index] / references[index]
        for index in counted(references)
    )


def log_ratios(samples: Sequence[float], references: Sequence[float] | None = None) -> np.ndarray:
    """Return ``log(sample / reference)`` of every valid process, however large or small.

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
    return np.asarray(logs - logarithms(references))[counted(references)]


def logarithms(values: Sequence[float]) -> np.ndarray:
    """Return natural logarithms of positive values, the same on every processor."""
    return np.array([_logarithm(float(value)) for value in values])


def _logarithm(value: float) -> float:
    return round(math.log(min(max(value, SMALLEST), LARGEST)), _DECIMALS)
