"""Reference workload: fixed work outside every measured runtime, timed in turn with each model.

A slowdown of the machine slows both, so that the ratio of their times is corrected for drift.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

# Some three milliseconds on two cores: long against the clock, short against a block of calls.
SIZE = 512


@contextmanager
def reference(threads: int) -> Iterator[Callable[[], Any]]:
    """Yield a function that multiplies two float32 matrices, `SIZE` × `SIZE`, on ``threads``."""
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((SIZE, SIZE), dtype=np.float32) for _ in range(2))
    result = np.empty_like(left)
    with threadpool_limits(threads, user_api="blas"):
        yield lambda: np.matmul(left, right, out=result)
