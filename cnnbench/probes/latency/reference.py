"""The reference: small fixed work, a workload for each bottleneck, that shows the machine's speed.

Its time depends on the machine alone and never on a network. It is read before and after every
block of calls; `quiet` judges what it says.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import fmean, median
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from collections.abc import Iterator

Clock = Callable[[], int]

# Bytes copied, more than a core's own caches hold; steps of the loop; a stack of small matrices.
_COPIED, _STEPS, _STACK = 4 * 2**20, 2000, (120, 96, 96)
# Calls a reading: a millisecond or so on each core, and three of arithmetic, on a core of 2023.
_CALLS: Mapping[str, int] = MappingProxyType({"calls": 24, "memory": 10})
WORKLOADS = ("calls", "arithmetic", "memory")


@dataclass(frozen=True)
class Reading:
    """Seconds of a call of each workload.

    Attributes:
        slowest: the mean call on the core where it took longest: what shows a disturbance.
        typical: the median call, averaged over the cores: what times are divided by.
    """

    slowest: Mapping[str, float]
    typical: Mapping[str, float]


class Reference(Protocol):
    """Workloads that the timed loop runs between its blocks."""

    def read(self) -> Reading:
        """Run the workloads."""


class CoreReference:
    """Three workloads on the cores of a network. A context manager: it holds threads.

    While it is open, NumPy's BLAS library computes in the thread that calls it. From which size on
    a library divides a product among threads of its own depends on the processor; those would
    compete with the threads here, and a reading would take a hundred times as long.

    ``calls`` is a loop of Python's interpreter: branches and small steps, as in the overhead of
    calls; what shares a physical core slows it most. ``memory`` copies four megabytes. Both run on
    each core in turn. ``arithmetic`` multiplies float32 matrices on all cores at once, as a network
    does, so that it shows too when these are threads of one physical core.

    Args:
        threads: of the network. With as many as there are usable cores each of them is watched;
            with fewer, those that the system chooses for each reading.
        clock: in nanoseconds.
    """

    def __init__(self, threads: int, clock: Clock) -> None:
        self._usable = usable()
        watched = sorted(self._usable) if threads >= len(self._usable) else []
        self._cores: list[int | None] = [*watched] or [None]
        self._clock = clock
        rng = np.random.default_rng(0)
        source = np.ones(_COPIED // 4, np.float32)
        target = np.empty_like(source)
        self._works: Mapping[str, Callable[[], object]] = {
            "calls": _interpret,
            "memory": lambda: np.copyto(target, source),
        }
        self._stacks = [rng.standard_normal(_STACK, dtype=np.float32) for _ in range(threads)]
        self._products = [np.empty_like(stack) for stack in self._stacks]
        self._right = rng.standard_normal(_STACK[1:], dtype=np.float32)
        self._held = ExitStack()
        places = iter(self._cores)
        self._pool = ThreadPoolExecutor(threads, initializer=lambda: _stay_on(next(places, None)))

    def __enter__(self) -> Self:
        self._held.enter_context(threadpool_limits(1, user_api="blas"))
        self._held.enter_context(self._pool)
        self.read()  # once uncounted: it starts the threads
        return self

    def __exit__(self, *of_error: object) -> None:
        self._held.close()

    def read(self) -> Reading:
        """Run every workload."""
        together = self._seconds(self._multiply)
        with _any_core_after(self._usable):
            cores = [self._on(core) for core in self._cores]
        return reading_of(cores, together)

    def _on(self, core: int | None) -> Mapping[str, list[float]]:
        """Return the seconds of every call, on the core or on the one that the system chooses."""
        _stay_on(core)
        return {
            name: [self._seconds(work) for _ in range(_CALLS[name])]
            for name, work in self._works.items()
        }

    def _multiply(self) -> None:
        def product(place: int) -> None:
            np.matmul(self._stacks[place], self._right, out=self._products[place])

        for _ in self._pool.map(product, range(len(self._stacks))):
            pass

    def _seconds(self, work: Callable[[], object]) -> float:
        begin = self._clock()
        work()
        return (self._clock() - begin) * 1e-9


def reading_of(cores: Sequence[Mapping[str, Sequence[float]]], together: float) -> Reading:
    """Return a reading, given the seconds of every call on each core, and of that on all cores."""
    names = cores[0]
    # A process that shares a core takes it away for a few milliseconds at a time, of which the
    # median call knows nothing.
    slowest = {name: max(fmean(core[name]) for core in cores) for name in names}
    typical = {name: fmean(median(core[name]) for core in cores) for name in names}
    return Reading(slowest | {"arithmetic": together}, typical | {"arithmetic": together})


def usable() -> set[int]:
    """Return the cores that this process may use; empty where the system does not say."""
    try:
        return os.sched_getaffinity(0)
    except AttributeError:  # not Linux
        return set()


@contextmanager
def _any_core_after(cores: set[int]) -> Iterator[None]:
    try:
        yield
    finally:
        if cores:
            os.sched_setaffinity(0, cores)


def _stay_on(core: int | None) -> None:
    """Bind this thread to a core; None leaves it to the system."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def _interpret() -> int:
    total = 0
    for step in range(_STEPS):
        total += step
    return total
