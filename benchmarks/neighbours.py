"""Artificial neighbours: processes that disturb a measurement in random spells.

A neighbour works and sleeps in turn; the lengths of both are exponentially distributed, so that it
is busy half of the time. Seeded: the same seed gives the same spells.

    python benchmarks/neighbours.py core|cache|disk [--seconds 60] [--mean 3] [--seed 0]
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

KINDS = ("core", "cache", "disk")
_SHORTEST, _LONGEST = 0.2, 30.0  # seconds of a spell
_CACHE_BYTES = 256 * 2**20  # larger than the last level of any cache here
_DISK_BYTES = 4 * 2**20


@contextmanager
def beside(kind: str | None, seed: int = 0, mean: float = 3.0) -> Iterator[None]:
    """Run a neighbour of ``kind`` as a process while the block runs; ``None`` runs none."""
    if kind is None:
        yield
        return
    command = [sys.executable, __file__, kind, "--seed", str(seed), "--mean", str(mean)]
    process = subprocess.Popen(command, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"the neighbour {kind} ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()


def spells(seed: int, mean: float) -> Iterator[tuple[float, float]]:
    """Yield seconds of work and of sleep, without end."""
    rng = random.Random(seed)
    while True:
        work, sleep = (min(_LONGEST, max(_SHORTEST, rng.expovariate(1 / mean))) for _ in range(2))
        yield work, sleep


def _core() -> Callable[[], object]:
    """Arithmetic of one thread on the last core that this process may use."""
    import numpy as np

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    left = np.random.default_rng(0).standard_normal((256, 256), dtype=np.float32)
    return lambda: left @ left


def _cache() -> Callable[[], object]:
    """Reads and writes of memory far larger than the cache, on any core."""
    import numpy as np

    source = np.ones(_CACHE_BYTES // 8)
    target = np.empty_like(source)
    return lambda: np.copyto(target, source)


def _disk() -> Callable[[], object]:
    """Writes of a file, each forced to the disk."""
    block = os.urandom(_DISK_BYTES)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process lives

    def write() -> None:
        file.seek(0)
        file.write(block)
        file.flush()
        os.fsync(file.fileno())

    return write


_WORK = {"core": _core, "cache": _cache, "disk": _disk}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--mean", type=float, default=3.0, help="mean seconds of a spell")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    work = _WORK[arguments.kind]()
    parent = os.getppid()
    end = time.monotonic() + arguments.seconds
    for busy, idle in spells(arguments.seed, arguments.mean):
        until = time.monotonic() + busy
        while time.monotonic() < until:
            work()
        time.sleep(idle)
        if time.monotonic() > end or os.getppid() != parent:
            return


if __name__ == "__main__":
    main()
