"""The reference: work that is always the same, outside every runtime that is measured.

What slows the machine slows it too, so that the ratio of a model's time to its time holds where
both drift.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

# Three milliseconds or so on two cores: long beside the clock, short beside a block of calls.
SIZE = 512


@contextmanager
def reference(threads: int) -> Iterator[Callable[[], Any]]:
    """A product of two float32 matrices of `SIZE` × `SIZE`, on as many threads as the model."""
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((SIZE, SIZE), dtype=np.float32) for _ in range(2))
    result = np.empty_like(left)
    with threadpool_limits(threads, user_api="blas"):
        yield lambda: np.matmul(left, right, out=result)
