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


def known_fastest(fastest: Mapping[str, float], threads: int) -> dict[str, float]:
    """Return the fastest time of each workload on ``threads`` that earlier jobs left."""
    names = {_with_threads(workload, threads): workload for workload in WORKLOADS}
    return {names[name]: seconds for name, seconds in fastest.items() if name in names}


def fastest_detail(fastest: Mapping[str, float], threads: int) -> dict[str, float]:
    """Return the detail ``fastest`` of a record, from which later jobs learn it."""
    return {_with_threads(workload, threads): fastest[workload] for workload in WORKLOADS}


def _with_threads(workload: str, threads: int) -> str:
    return f"{workload}/t{threads}"
