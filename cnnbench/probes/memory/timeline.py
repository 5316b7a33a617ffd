"""Memory use over time, sampled by memory_profiler from another process.

Sampling misses short peaks, so the peaks in tables never come from here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

INTERVAL_S = 0.02
# To keep records small; of the samples that are merged, the highest is kept.
_MOST = 200

T = TypeVar("T")


def of(work: Callable[[], T]) -> tuple[T, list[float], list[float]]:
    """Call ``work``; return its result, and the resident set over time.

    The sampler is forked first, so TensorFlow must not have made a tensor yet.

    Returns:
        The result; seconds since the beginning; bytes at each of them (equally many).
    """
    from memory_profiler import memory_usage

    began = time.time()
    # Without max_iterations, short work would be repeated to get more samples.
    samples, result = memory_usage(
        (work, (), {}), interval=INTERVAL_S, timestamps=True, retval=True, max_iterations=1
    )
    seconds = [when - began for _, when in samples]
    sizes = [mib * 2**20 for mib, _ in samples]
    return result, *_thinned(seconds, sizes)


def _thinned(
    seconds: Sequence[float], sizes: Sequence[float], most: int = _MOST
) -> tuple[list[float], list[float]]:
    count = min(most, len(sizes))
    edges = [place * len(sizes) // count for place in range(count + 1)]
    kept = [max(range(low, high), key=lambda place: sizes[place]) for low, high in pairwise(edges)]
    return [round(max(0.0, seconds[p]), 3) for p in kept], [float(round(sizes[p])) for p in kept]
