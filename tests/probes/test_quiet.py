"""Calls are timed while the reference says that the machine is quiet, within a round's patience."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
from threadpoolctl import threadpool_info

from cnnbench.environment import usable_cores
from cnnbench.probes.latency import quiet
from cnnbench.probes.latency.quiet import LIMITS, fastest_of, is_quiet
from cnnbench.probes.latency.reference import WORKLOADS, CoreReference, Reading, reading_of
from cnnbench.probes.latency.timed_round import Timing, TimingConfig
from cnnbench.probes.latency.timing import measure
from tests.probes.test_latency_timing import Clock, reading

FASTEST = dict.fromkeys(WORKLOADS, 0.001)
LOUD = reading(0.01)


class Machine:
    """A machine with a neighbour: a call takes 10 ms, and 15 while the neighbour works.

    Args:
        spells: ``(seconds, is_quiet)`` in turn; the last lasts for ever.
    """

    def __init__(self, *spells: tuple[float, bool]) -> None:
        self.clock = Clock()
        self._spells = spells

    @property
    def is_quiet(self) -> bool:
        now = self.clock.ns * 1e-9
        for seconds, without_neighbour in self._spells:
            if now < seconds:
                return without_neighbour
            now -= seconds
        return self._spells[-1][1]

    def call(self, _: object) -> None:
        self.clock.takes(0.01 if self.is_quiet else 0.015)

    def read(self) -> Reading:
        found = reading() if self.is_quiet else LOUD
        self.clock.takes(0.001)
        return found

    def measure(self, **changes: object) -> Timing:
        """Time a second in blocks of 0.1 s, with a patience of 6 s."""
        config = TimingConfig(clock_ns=self.clock, sleep=self.clock.takes)
        return measure(self.call, [0], self, 0.01, replace(config, **changes), FASTEST)


def test_a_quiet_machine_is_neither_waited_for_nor_left_out() -> None:
    timing = Machine((1e9, True)).measure()
    assert timing.calls == pytest.approx([0.01] * len(timing.calls), rel=1e-3)
    assert sum(timing.calls) == pytest.approx(1, abs=0.11)
    assert (timing.waited_s, timing.left_out_s, timing.is_disturbed) == (0, 0, False)


def test_a_round_waits_until_the_machine_is_quiet() -> None:
    timing = Machine((2.0, False), (1e9, True)).measure()
    assert timing.waited_s == pytest.approx(2, abs=0.2)
    assert timing.left_out_s == 0 and not timing.is_disturbed
    assert max(timing.calls) < 0.011


def test_disturbed_blocks_are_left_out_and_made_up_for() -> None:
    spells = [(0.5, True), (0.7, False)] * 5
    timing = Machine(*spells, (1e9, True)).measure()
    assert timing.left_out_s > 0.1 and timing.waited_s > 0.1
    assert max(timing.calls) < 0.0151 and sum(timing.calls) >= 1
    slow = sum(seconds > 0.011 for seconds in timing.calls)
    assert slow == 0, "every block beside a disturbed reading is left out"
    assert not timing.is_disturbed


def test_patience_is_bounded_and_the_round_says_so() -> None:
    machine = Machine((1e9, False))
    timing = machine.measure(patience_s=3.0)
    assert timing.is_disturbed
    assert timing.waited_s == pytest.approx(3, abs=0.2)
    assert len(timing.calls) >= 11 and sum(timing.calls) >= 1
    assert timing.left_out_s == 0, "what counts is not left out"
    assert machine.clock.ns * 1e-9 < 6


def test_a_round_that_was_quiet_for_half_of_its_time_counts_that_half() -> None:
    timing = Machine((0.9, True), (1e9, False)).measure(patience_s=2.0)
    assert not timing.is_disturbed
    assert 0.5 <= sum(timing.calls) < 1 and max(timing.calls) < 0.011
    assert timing.left_out_s > 0


def test_the_network_does_not_decide() -> None:
    """A network that gets slower in the middle is timed to its end, whatever its own time."""
    machine = Machine((1e9, True))
    calls = iter([0.01] * 40 + [0.03] * 1000)
    machine.call = lambda _: machine.clock.takes(next(calls))  # type: ignore[method-assign]
    timing = machine.measure()
    assert timing.left_out_s == 0 and max(timing.calls) == pytest.approx(0.03, rel=1e-3)


def test_the_fastest_of_the_run_decides_what_is_quiet() -> None:
    """A machine that is slow from the first reading on is known to be slow from earlier rounds."""
    machine = Machine((1e9, False))
    config = TimingConfig(clock_ns=machine.clock, sleep=machine.clock.takes, patience_s=1.0)
    assert not measure(machine.call, [0], machine, 0.01, config).is_disturbed
    assert measure(machine.call, [0], machine, 0.01, config, FASTEST).is_disturbed


@pytest.mark.parametrize("workload", WORKLOADS)
def test_each_workload_has_a_limit(workload: str) -> None:
    def beside(seconds: float) -> Reading:
        return Reading(FASTEST | {workload: seconds}, FASTEST)

    assert is_quiet(beside(0.001 * (1 + LIMITS[workload]) - 1e-9), FASTEST)
    assert not is_quiet(beside(0.001 * (1 + LIMITS[workload]) + 1e-9), FASTEST)


def test_one_fast_reading_is_not_the_fastest() -> None:
    readings = [reading(0.0001), *[reading(0.001)] * 19]
    assert fastest_of(readings, {})["calls"] == pytest.approx(0.001)
    assert fastest_of(readings, dict.fromkeys(WORKLOADS, 0.0005))["calls"] == 0.0005
    assert quiet.fastest_of([reading(0.001)], {}) == pytest.approx(FASTEST)


@pytest.fixture
def ticking() -> Iterator[Clock]:
    before = os.sched_getaffinity(0)
    yield Clock()
    assert os.sched_getaffinity(0) == before, "the process may use all its cores again"


@pytest.mark.parametrize("threads", [1, usable_cores()])
def test_the_reference_is_read_on_the_cores_of_the_network(ticking: Clock, threads: int) -> None:
    with CoreReference(threads, ticking) as reference:
        found = reference.read()
    # That clock takes a microsecond a look, whatever the work.
    assert found.slowest == found.typical == pytest.approx(dict.fromkeys(WORKLOADS, 1e-6))


def test_the_reference_keeps_blas_from_starting_threads_of_its_own(ticking: Clock) -> None:
    def threads() -> set[int]:
        return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}

    before = threads()
    with CoreReference(usable_cores(), ticking):
        assert threads() == {1}
    assert threads() == before


def test_a_reading_is_of_the_slowest_core_and_of_the_typical_call() -> None:
    found = reading_of([{"calls": [1.0, 1.0, 4.0]}, {"calls": [1.5, 1.5, 1.5]}], together=7.0)
    assert found.slowest["calls"] == 2.0, "the mean on the first core, of which another took some"
    assert found.typical["calls"] == 1.25
    assert found.slowest["arithmetic"] == found.typical["arithmetic"] == 7.0
