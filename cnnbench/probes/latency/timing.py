"""The timed loop: warm up, then time blocks of calls while the machine is quiet.

A *call* takes one prepared input and returns its result in the host's memory. Only the call runs
between two readings of the clock; decisions are made between blocks. The reference is read before
and after every block; blocks beside a disturbed reading are left out and made up for, as long as
the round's patience lasts.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from types import MappingProxyType
from typing import Any

from cnnbench.probes.latency import machine
from cnnbench.probes.latency.reference import CoreReference, Reading, Reference
from cnnbench.probes.latency.timed_round import (
    Block,
    Clock,
    Parts,
    Timing,
    TimingConfig,
    WarmUp,
    fastest_mean,
)
from cnnbench.probes.latency.watch import Watch

Call = Callable[[Any], Any]

_NS = 1e-9


def observe(
    call: Call,
    inputs: Sequence[Any],
    threads: int,
    config: TimingConfig,
    fastest: Mapping[str, float] = MappingProxyType({}),
    parts: Parts | None = None,
) -> tuple[WarmUp, Timing]:
    """Warm up, then time ``call`` while the machine is quiet.

    Args:
        call, inputs, config, parts: as in `measure`.
        threads: that the call computes on.
        fastest: of the reference, as far as it is known already.
    """
    with CoreReference(threads, config.clock_ns) as reference:
        warm = warm_up(call, inputs, config)
        return warm, measure(call, inputs, reference, warm.windows[-1], config, fastest, parts)


def warm_up(call: Call, inputs: Sequence[Any], config: TimingConfig) -> WarmUp:
    """Call in windows until two successive ones agree, or until ``config.warm_up_s`` is over."""
    rotation = cycle(inputs)
    windows: list[float] = []
    began = config.clock_ns()
    while True:
        windows.append(fastest_mean(_for(config.window_s, call, rotation, config.clock_ns), 0.5))
        if len(windows) > 1 and abs(windows[-1] / windows[-2] - 1) < config.agreement:
            return WarmUp(tuple(windows), True)
        if len(windows) > 1 and _since(began, config.clock_ns) > config.warm_up_s:
            return WarmUp(tuple(windows), False)


def measure(
    call: Call,
    inputs: Sequence[Any],
    reference: Reference,
    expected_s: float,
    config: TimingConfig,
    fastest: Mapping[str, float] = MappingProxyType({}),
    parts: Parts | None = None,
) -> Timing:
    """Time ``call`` over rotating ``inputs`` in blocks, the reference before and after each.

    Args:
        call: takes one of ``inputs``; its result is in the host's memory when it returns.
        inputs: used in turn.
        reference: read between blocks.
        expected_s: approximate duration of a call, from the warm-up.
        config: duration of the measurement.
        fastest: of the reference, as far as it is known already.
        parts: asked after each block for the parts of its calls; None where they have none.
    """
    return _Loop(call, cycle(inputs), reference, config, fastest, parts).run(expected_s)


class _Loop:
    """The timed loop of one round."""

    def __init__(
        self,
        call: Call,
        rotation: Iterator[Any],
        reference: Reference,
        config: TimingConfig,
        fastest: Mapping[str, float],
        parts: Parts | None,
    ) -> None:
        self._parts = parts
        self._call, self._rotation, self._config = call, rotation, config
        self._watch = Watch(reference, config, fastest)
        self._timing = Timing(config, fastest)

    def run(self, expected_s: float) -> Timing:
        timing = self._timing
        with no_garbage_collection():
            before = self._quiet_reading()
            while not timing.is_complete:
                block = self._block(expected_s, before)
                timing.blocks.append(block)
                expected_s = block.seconds / len(block.calls)
                before = block.after
                if not self._watch.is_quiet(before):
                    before = self._quiet_reading()
        return timing

    def _block(self, expected_s: float, before: Reading) -> Block:
        calls = max(1, round(self._config.block_s / expected_s))
        began = machine.now()
        self._rewarm(expected_s)
        seconds = timed(self._call, self._rotation, calls, self._config.clock_ns)
        ended = machine.now()
        parts = self._parts(calls) if self._parts else {}
        after = self._watch.read()
        self._note()
        return Block(tuple(seconds), before, after, began, ended, parts)

    def _quiet_reading(self) -> Reading:
        reading = self._watch.until_quiet(self._spent_s)
        self._note()
        return reading

    def _spent_s(self) -> float:
        self._note()
        return self._timing.spent_s

    def _note(self) -> None:
        """Keep in the round what the readings said."""
        self._timing.fastest, self._timing.waited_s = self._watch.fastest, self._watch.waited_s

    def _rewarm(self, expected_s: float) -> None:
        """Make uncounted calls, as those after a pause are slower; none where each takes long."""
        if expected_s <= self._config.settle_s:
            _for(self._config.rewarm_s, self._call, self._rotation, self._config.clock_ns)


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


def _for(seconds: float, call: Call, rotation: Iterator[Any], clock: Clock) -> list[float]:
    times: list[float] = []
    began = clock()
    while not times or _since(began, clock) < seconds:
        times += timed(call, rotation, 1, clock)
    return times


def _since(began: int, clock: Clock) -> float:
    return (clock() - began) * _NS
