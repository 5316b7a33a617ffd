"""The rule for a quiet machine: by the reference alone, never by the time of a network.

A machine is quiet when every workload of the reference takes hardly longer than the fastest seen
in the run. docs/measuring.md says how the limits were chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from cnnbench.probes.latency.reference import WORKLOADS, Reading

# By how much longer than the fastest a workload may take.
LIMITS: Mapping[str, float] = MappingProxyType({"calls": 1.0, "arithmetic": 0.4, "memory": 1.2})

# Share of the readings of a process below which its fastest lies: one may be fast by chance.
_FASTEST = 0.1


def is_quiet(reading: Reading, fastest: Mapping[str, float]) -> bool:
    """Return whether no workload took longer than ``fastest`` by more than its limit."""
    return all(
        seconds <= (1 + LIMITS[name]) * fastest[name] for name, seconds in reading.slowest.items()
    )


def fastest_of(readings: Sequence[Reading], known: Mapping[str, float]) -> Mapping[str, float]:
    """Return the fastest time of each workload: in these readings, or ``known`` from before."""
    found = {}
    for name in WORKLOADS:
        own = float(np.quantile([reading.slowest[name] for reading in readings], _FASTEST))
        found[name] = min(own, known.get(name, own))
    return found
