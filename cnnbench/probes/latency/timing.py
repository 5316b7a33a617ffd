"""The timed loop: warm up, then time blocks of calls that alternate with a reference workload.

A *call* takes one prepared input and returns its result in the host's memory. Only the call runs
between two readings of the clock; decisions are made between blocks.

``python -m`` this module with a number of threads is one process of the noise self-test.
"""

from __future__ import annotations

import gc
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from cnnbench.probes.latency import machine
from cnnbench.probes.latency.machine import CpuUsage

# Sides of the matrices of the reference workload, whose product takes some three milliseconds on
# two cores: long against the clock, short against a block of calls.
REFERENCE_SIZE = 512

Call = Callable[[Any], Any]
Clock = Callable[[], int]

_NS = 1e-9


@dataclass(frozen=True)
class TimingConfig:
    """Duration of a measurement.

    Attributes:
        seconds: minimum total time of the counted calls.
        calls: minimum number of counted calls.
        blocks: number of alternations with the reference, or ``calls`` if that is smaller.
        window_s: minimum total time of the calls in a warm-up window.
        agreement: the relative difference below which two successive windows agree; compared are
            means of the fastest half, as the fastest calls may be warm before most are.
        warm_up_s: maximum duration of the warm-up; a window that has begun is finished.
        settle_s: time left uncounted after each change to or from the reference, whose threads
            (OpenBLAS) spin for some 25 ms before they sleep, as those of some runtimes do.
        reference_calls: number of counted calls in each block of the reference.
        clock_ns: clock in nanoseconds.
    """

    seconds: float = 1.0
    calls: int = 11
    blocks: int = 8
    window_s: float = 0.1
    agreement: float = 0.05
    warm_up_s: float = 5.0
    settle_s: float = 0.03
    reference_calls: int = 8
    clock_ns: Clock = time.perf_counter_ns


@dataclass(frozen=True)
class WarmUp:
    """Warm-up windows (mean of the fastest half, in seconds), and whether the last two agreed."""

    windows: tuple[float, ...]
    agreed: bool


@dataclass
class Timing:
    """Seconds of each call by block, in order, and of each call of the reference by block.

    ``blocks`` and ``references`` have the same length: a block of the reference follows each block
    of calls.
    """

    blocks: list[list[float]] = field(default_factory=list)
    references: list[list[float]] = field(default_factory=list)

    @property
    def calls(self) -> list[float]:
        return [seconds for block in self.blocks for seconds in block]

    @property
    def reference_calls(self) -> list[float]:
        return [seconds for block in self.references for seconds in block]


def fastest_decile_mean(seconds: Sequence[float]) -> float:
    """Return the mean of the fastest tenth of calls, but of at least three.

    Noise from other processes only adds time. A neighbour that is busy for part of a round affects
    the fastest half of the calls, and the model and the reference by different shares, but hardly
    the fastest tenth.

    Raises:
        ValueError: there are no calls.
    """
    return _fastest(seconds, 0.1, fewest=3)


def _fastest(seconds: Sequence[float], share: float, fewest: int = 1) -> float:
    """Return the mean of the fastest ``share`` of calls."""
    if not seconds:
        raise ValueError("no calls")
    found = sorted(seconds)[: max(fewest, math.ceil(share * len(seconds)))]
    return sum(found) / len(found)


@contextmanager
def reference(threads: int) -> Iterator[Callable[[], Any]]:
    """Yield the reference workload: fixed work on ``threads``, outside every measured runtime.

    It multiplies two float32 matrices. A slowdown of the machine slows it and the model, so that
    the ratio of their times is corrected for drift.
    """
    rng = np.random.default_rng(0)
    shape = (REFERENCE_SIZE, REFERENCE_SIZE)
    left, right = (rng.standard_normal(shape, dtype=np.float32) for _ in range(2))
    result = np.empty_like(left)
    with threadpool_limits(threads, user_api="blas"):
        yield lambda: np.matmul(left, right, out=result)


def observe(
    call: Call, inputs: Sequence[Any], threads: int, config: TimingConfig
) -> tuple[WarmUp, Timing, CpuUsage]:
    """Warm up, then time ``call`` beside the reference on ``threads``; watch the CPU meanwhile."""
    with reference(threads) as work:
        work()
        warm = warm_up(call, inputs, config)
        before = machine.now()
        timing = measure(call, inputs, work, warm.windows[-1], config)
        return warm, timing, machine.between(before, machine.now())


def warm_up(call: Call, inputs: Sequence[Any], config: TimingConfig) -> WarmUp:
    """Call in windows until two successive ones agree, or until ``config.warm_up_s`` is over."""
    rotation = cycle(inputs)
    windows: list[float] = []
    began = config.clock_ns()
    while True:
        windows.append(_fastest(_for(config.window_s, call, rotation, config.clock_ns), 0.5))
        if len(windows) > 1 and abs(windows[-1] / windows[-2] - 1) < config.agreement:
            return WarmUp(tuple(windows), True)
        if len(windows) > 1 and _since(began, config.clock_ns) > config.warm_up_s:
            return WarmUp(tuple(windows), False)


def measure(
    call: Call,
    inputs: Sequence[Any],
    reference: Callable[[], Any],
    expected_s: float,
    config: TimingConfig,
) -> Timing:
    """Time ``call`` over rotating ``inputs`` in blocks, a block of ``reference`` after each.

    Args:
        call: takes one of ``inputs``; its result is in the host's memory when it returns.
        inputs: used in turn.
        reference: the reference workload.
        expected_s: approximate duration of a call, from the warm-up.
        config: duration of the measurement.
    """
    blocks = min(config.blocks, config.calls)
    fewest = config.calls // blocks
    rotation = cycle(inputs)
    timing = Timing()
    with no_garbage_collection():
        while len(timing.blocks) < blocks or _missing(timing, config):
            if timing.blocks:
                _settle(call, rotation, expected_s, config)
            wanted = max(fewest, round(config.seconds / blocks / expected_s))
            timing.blocks.append(timed(call, rotation, wanted, config.clock_ns))
            expected_s = sum(timing.blocks[-1]) / wanted
            _uncounted(reference, config)
            timing.references.append(
                timed_plain(reference, config.reference_calls, config.clock_ns)
            )
    return timing


def timed(
    call: Call, rotation: Iterator[Any], count: int, clock: Clock = time.perf_counter_ns
) -> list[float]:
    """Return the seconds of each of ``count`` calls."""
    times = [0] * count
    for index in range(count):
        fed = next(rotation)
        start = clock()
        call(fed)
        times[index] = clock() - start
    return [nanoseconds * _NS for nanoseconds in times]


def timed_plain(
    work: Callable[[], Any], count: int, clock: Clock = time.perf_counter_ns
) -> list[float]:
    """Return the seconds of each of ``count`` calls without an argument."""
    times = [0] * count
    for index in range(count):
        start = clock()
        work()
        times[index] = clock() - start
    return [nanoseconds * _NS for nanoseconds in times]


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect garbage on entry, and not again before exit."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _missing(timing: Timing, config: TimingConfig) -> bool:
    calls = timing.calls
    return len(calls) < config.calls or sum(calls) < config.seconds


def _for(seconds: float, call: Call, rotation: Iterator[Any], clock: Clock) -> list[float]:
    times: list[float] = []
    began = clock()
    while not times or _since(began, clock) < seconds:
        times += timed(call, rotation, 1, clock)
    return times


def _uncounted(work: Callable[[], Any], config: TimingConfig) -> None:
    began = config.clock_ns()
    work()
    while _since(began, config.clock_ns) < config.settle_s:
        work()


def _settle(call: Call, rotation: Iterator[Any], expected_s: float, config: TimingConfig) -> None:
    """Wait until the reference's threads sleep: make uncounted calls, or pause before long ones."""
    if expected_s > config.settle_s:
        time.sleep(config.settle_s)
    else:
        _for(config.settle_s, call, rotation, config.clock_ns)


def _since(began: int, clock: Clock) -> float:
    return (clock() - began) * _NS


def self_test(threads: int) -> dict[str, Any]:
    """Time a small NumPy workload: arithmetic and memory traffic in turn, as in a CNN."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((64, 64), dtype=np.float32) / 8
    inputs = [rng.standard_normal((56 * 56, 64), dtype=np.float32) for _ in range(4)]

    def call(images: np.ndarray) -> np.ndarray:
        for _ in range(6):
            images = np.maximum(images @ weights, 0)
        return images

    config = TimingConfig(seconds=0.4, blocks=4, warm_up_s=1.0)
    _, timing, usage = observe(call, inputs, threads, config)
    return {
        "location_s": fastest_decile_mean(timing.calls),
        "median_s": float(np.median(timing.calls)),
        "reference_s": fastest_decile_mean(timing.reference_calls),
        "flags": usage.flags(threads),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(self_test(int(sys.argv[1]))))
