"""Time of each operator of a LiteRT file, from files that end after it.

LiteRT's Python interpreter has no profiler. A file that ends after its *k*-th operator is timed for
every *k*; an operator takes the difference from the file before. Nothing is instrumented, what runs
is what runs in the whole file, and the times add up to that of a whole call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from cnnbench.probes.latency.runtimes.executed import Profile, TimedOperation
from cnnbench.probes.latency.runtimes.litert_graph import LiteRTGraph, macs, taken

METHOD = (
    "Each operator takes the difference between files that end after it and before it, timed in "
    "turn; the times add up to that of the whole file. Where a kernel is fused with the one before "
    "it, one of the two takes the time of both."
)

ROUNDS = 3
_WARM_UP, _FEWEST_CALLS, _MOST_CALLS = 2, 5, 200

Invoke = Callable[[], object]
Open = Callable[[bytes], Invoke]


def profiled(
    flatbuffer: bytes,
    open_file: Open,
    nodes: Sequence[dict[str, object]],
    seconds: float = 30.0,
    clock: Callable[[], float] = time.perf_counter,
) -> Profile:
    """Return the time of every operator.

    Args:
        flatbuffer: the file.
        open_file: opens a file and returns a function that runs it once.
        nodes: of the whole file as an interpreter has them, as `litert_graph.taken` reads them.
        seconds: to spend on calls, about; opening the files comes on top.
        clock: seconds that pass.
    """
    graph = LiteRTGraph(flatbuffer)
    count = len(graph.operations)
    each = seconds / max(ROUNDS * count, 1)
    found = np.full((ROUNDS, count), np.inf)
    for turn in range(ROUNDS):
        for place in range(count):
            whole = place == count - 1
            invoke = open_file(flatbuffer if whole else graph.ending_after(place + 1))
            found[turn, place] = fastest(invoke, each, clock)
            del invoke
    ends, resolution = increasing(found.min(axis=0)), _resolution(found)
    delegated, _ = taken(graph.operations, nodes)
    operations = tuple(
        TimedOperation(
            name=one.name,
            kind=one.kind,
            seconds=float(took),
            macs=macs(one),
            part="XNNPACK" if place in delegated else "LiteRT",
        )
        for place, (one, took) in enumerate(
            zip(graph.operations, np.diff(ends, prepend=0.0), strict=True)
        )
    )
    return Profile(operations, float(ends[-1]) if count else 0.0, METHOD, resolution)


def fastest(invoke: Invoke, seconds: float, clock: Callable[[], float]) -> float:
    """Return the mean of the fastest tenth of calls, 5 to 200 of them in about ``seconds``."""
    for _ in range(_WARM_UP):
        invoke()
    calls: list[float] = []
    begin = clock()
    while len(calls) < _FEWEST_CALLS or (len(calls) < _MOST_CALLS and clock() - begin < seconds):
        start = clock()
        invoke()
        calls.append(clock() - start)
    calls.sort()
    return float(np.mean(calls[: max(len(calls) // 10, 1)]))


def increasing(ends: np.ndarray) -> np.ndarray:
    """Return the nearest times that do not decrease: a longer file cannot be faster.

    Where noise has it so, neighbours share their mean (isotonic regression, least squares).
    """
    from scipy.optimize import isotonic_regression

    if not len(ends):
        return ends
    found: np.ndarray = np.maximum(isotonic_regression(ends).x, 0.0)
    return found


def _resolution(found: np.ndarray) -> float:
    """Return the median difference of a file's two fastest rounds: what repeating changes."""
    if found.shape[0] < 2 or not found.shape[1]:
        return 0.0
    ordered = np.sort(found, axis=0)
    return float(np.median(ordered[1] - ordered[0]))
