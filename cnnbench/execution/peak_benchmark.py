"""One process of the benchmark of peaks: a matrix product, and the sum of large arrays.

Run with ``python -m``; its arguments are a number of threads and the bytes of an array. It prints
what it measured as JSON. The threads of the matrix product are set in the environment of the
process (`execution.peaks`), before NumPy is imported.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

_SIDE = 2048  # of the matrices: 48 MiB, 17 GFLOP
_SECONDS, _CALLS = 1.0, 3  # least time and number of calls


def flops_per_s(side: int = _SIDE, seconds: float = _SECONDS) -> float:
    """Return the FLOP/s of the fastest product of two square float32 matrices."""
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((side, side), dtype=np.float32) for _ in range(2))
    result = np.empty((side, side), np.float32)
    return 2 * side**3 / _fastest(lambda: np.matmul(left, right, out=result), seconds)


def bytes_per_s(threads: int, array_bytes: int, seconds: float = _SECONDS) -> float:
    """Return the bandwidth of the fastest ``a = b + c``, as STREAM counts it.

    Two arrays are read and one is written; that a processor may read the cache lines of ``a``
    before it writes them is not counted. Every thread adds a part of the arrays.
    """
    count = array_bytes // 8
    first, second = np.ones(count), np.ones(count)
    result = np.zeros(count)
    bounds = np.linspace(0, count, threads + 1).astype(int)
    parts = [slice(*pair) for pair in pairwise(bounds)]

    def add(part: slice) -> None:
        np.add(first[part], second[part], out=result[part])

    with ThreadPoolExecutor(threads) as pool:
        fastest = _fastest(lambda: list(pool.map(add, parts)), seconds)
    return 3 * 8 * count / fastest


def _fastest(call: Callable[[], object], seconds: float) -> float:
    """Return the seconds of the fastest call, after one that is not counted."""
    call()
    times: list[float] = []
    while len(times) < _CALLS or sum(times) < seconds:
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return min(times)


if __name__ == "__main__":
    threads, array_bytes = map(int, sys.argv[1:])
    found = {"flops_per_s": flops_per_s(), "bytes_per_s": bytes_per_s(threads, array_bytes)}
    sys.stdout.write(json.dumps(found))
