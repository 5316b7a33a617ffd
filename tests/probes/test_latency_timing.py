"""The timed loop and what watches the machine, without a model."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from itertools import count, pairwise
from pathlib import Path

import pytest

from cnnbench.probes.latency import machine
from cnnbench.probes.latency.machine import CpuSnapshot, CpuUsage
from cnnbench.probes.latency.reference import WORKLOADS, Reading
from cnnbench.probes.latency.timed_round import Block, Timing, TimingConfig, fastest_decile_mean
from cnnbench.probes.latency.timing import measure, timed, warm_up
from cnnbench.statistics import estimates

QUICK = TimingConfig(
    seconds=0.02, calls=11, block_s=0.005, window_s=0.002, warm_up_s=0.05, settle_s=0.001
)
IDLE = CpuSnapshot(wall=0, own=0, busy=None, stolen=None, throttled=0)


def reading(seconds: float = 0.001) -> Reading:
    """A reading in which every workload takes ``seconds``."""
    return Reading(dict.fromkeys(WORKLOADS, seconds), dict.fromkeys(WORKLOADS, seconds))


def timing_of(*blocks: list[float], reference: float = 0.001) -> Timing:
    """A round on a quiet machine, long enough whatever its blocks."""
    beside = reading(reference)
    found = Timing(TimingConfig(seconds=0, calls=1), dict.fromkeys(WORKLOADS, reference))
    found.blocks += [Block(tuple(calls), beside, beside, IDLE, IDLE) for calls in blocks]
    return found


class Steady:
    """A reference that always takes a millisecond, and says so when it is read."""

    def __init__(self, read: Callable[[], object] = lambda: None) -> None:
        self._read = read

    def read(self) -> Reading:
        self._read()
        return reading()


class Clock:
    """A clock that goes on by what a call takes, and a microsecond whenever it is looked at."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        self.ns += 1000
        return self.ns

    def takes(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9)


def test_fastest_decile_mean_of_at_least_three_calls() -> None:
    assert (
        fastest_decile_mean([float(call) for call in range(39, -1, -1)]) == 1.5
    )  # 0 1 2 3 of forty
    assert fastest_decile_mean([9.0, 1.0, 2.0, 3.0]) == 2.0  # three at least
    assert fastest_decile_mean([9.0, 1.0]) == 5.0
    with pytest.raises(ValueError, match="no calls"):
        fastest_decile_mean([])


def test_inputs_rotate_and_every_call_is_counted() -> None:
    seen: list[str] = []
    times = timed(seen.append, iter("abcabc"), 5)
    assert seen == ["a", "b", "c", "a", "b"]
    assert len(times) == 5 and all(seconds >= 0 for seconds in times)


def test_warm_up_ends_when_two_windows_agree() -> None:
    calls, clock = count(), Clock()

    def cooling(_: object) -> None:
        clock.takes(0.02 if next(calls) < 1 else 0.002)

    effort = TimingConfig(window_s=0.0, agreement=0.5, warm_up_s=5.0, clock_ns=clock)
    warm = warm_up(cooling, [0], effort)
    assert warm.agreed
    assert warm.windows == pytest.approx([0.02, 0.002, 0.002], rel=1e-3)


def test_warm_up_compares_more_than_the_fastest_calls() -> None:
    calls, clock = count(), Clock()

    def mostly_cold(_: object) -> None:
        number = next(calls)
        clock.takes(0.0005 if number % 3 == 0 else max(0.004, 0.02 - 0.001 * number))

    effort = TimingConfig(window_s=0.1, agreement=0.1, warm_up_s=5.0, clock_ns=clock)
    warm = warm_up(mostly_cold, [0], effort)
    assert len(warm.windows) > 2, "two windows of equally fast calls agree at once"
    assert warm.windows[0] > 1.5 * warm.windows[-1]


def test_fastest_decile_mean_ignores_load_during_most_of_a_round() -> None:
    quiet = [0.001] * 100
    assert fastest_decile_mean(quiet[:20] + [0.0015] * 80) == pytest.approx(
        fastest_decile_mean(quiet)
    )


def test_warm_up_reports_when_it_times_out() -> None:
    calls, clock = count(1), Clock()

    def ever_slower(_: object) -> None:
        clock.takes(0.001 * next(calls))

    effort = TimingConfig(window_s=0.0, agreement=0.01, warm_up_s=0.03, clock_ns=clock)
    warm = warm_up(ever_slower, [0], effort)
    assert not warm.agreed
    assert len(warm.windows) == 8, "1 + 2 + ... + 8 ms are the first sum above 30 ms"


@pytest.mark.parametrize("call_s", [0.0, 0.003])
def test_blocks_alternate_with_the_reference_and_reach_both_minima(call_s: float) -> None:
    order: list[str] = []

    def call(_: object) -> None:
        order.append("call")
        time.sleep(call_s)

    reference = Steady(lambda: order.append("reference"))
    timing = measure(call, [0], reference, max(call_s, 1e-5), QUICK)
    assert len(timing.calls) >= 11 and sum(timing.calls) >= 0.02
    assert order.count("reference") == len(timing.blocks) + 1
    assert order[0] == order[-1] == "reference"
    changes = sum(a != b for a, b in pairwise(order))
    assert changes == 2 * len(timing.blocks)
    assert not timing.is_disturbed and (timing.waited_s, timing.left_out_s) == (0, 0)


def test_garbage_collection_is_off_during_timing() -> None:
    states = []
    assert gc.isenabled()
    measure(lambda _: states.append(gc.isenabled()), [0], Steady(), 0.001, QUICK)
    assert not any(states)
    assert gc.isenabled()


def test_cpu_usage_equals_manual_calculation() -> None:
    # 2 s of wall time; own 3 s of CPU, the cores busy 3.5 s: others had 0.5 s, 0.25 cores
    before = CpuSnapshot(wall=10, own=1, busy=100, stolen=5, throttled=2)
    after = CpuSnapshot(wall=12, own=4, busy=103.5, stolen=5.2, throttled=5)
    found = machine.over([(before, after)])
    assert found == CpuUsage(1.5, 0.25, pytest.approx(0.1), 3)
    assert found.disturbances() == [
        "another process used the CPU (0.25 cores)",
        "the hypervisor took the CPU away (0.10 cores)",
    ]
    assert found.flags(threads=1) == [
        "throttled by the container's CPU limit (3 times)",
        "used more cores than its threads (1.5 of 1)",
    ]


def test_disturbances_of_different_size_are_one_concern() -> None:
    usages = [CpuUsage(2 + n, 0.2 + n, 0.1 + n, 1 + n) for n in range(6)]
    rounds = [usage.disturbances() + usage.flags(threads=1) for usage in usages]
    assert estimates.concerns(rounds) == [
        "another process used the CPU in 6 of 6 rounds",
        "the hypervisor took the CPU away in 6 of 6 rounds",
        "throttled in 6 of 6 rounds",
        "used more cores than its threads in 6 of 6 rounds",
    ]


def test_unknown_counters_raise_no_flags() -> None:
    found = machine.over([(CpuSnapshot(0, 0, None, None, 0), CpuSnapshot(1, 1, None, None, 0))])
    assert found.other_cores is None
    assert found.flags(threads=1) == found.disturbances() == []


def test_own_cpu_time_is_that_of_this_process() -> None:
    before = machine.now()
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    after = machine.now()
    assert machine.over([(before, after)]).own_cores * (after.wall - before.wall) > 0.05


def test_cpu_usage_adds_spans_and_leaves_out_what_lies_between() -> None:
    spans = [
        (CpuSnapshot(0, 0, 0, 0, 0), CpuSnapshot(1, 1, 1, 0, 0)),
        (CpuSnapshot(5, 1, 9, 4, 7), CpuSnapshot(6, 2, 10.5, 4, 7)),
    ]
    assert machine.over(spans) == CpuUsage(1.0, 0.25, 0.0, 0)


def test_reads_busy_and_stolen_time_of_usable_cores(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    # user nice system idle iowait irq softirq steal guest guest_nice, in ticks of 10 ms
    columns = "100 20 3 100000 40000 5000 600 7 9 9"
    cores = [f"cpu{core} {columns}" for core in sorted(os.sched_getaffinity(0))]
    stat.write_text("\n".join(["cpu 9 9 9 9 9 9 9 9 9 9", *cores, f"cpu4095 {columns}", "intr 5"]))
    ticks = os.sysconf("SC_CLK_TCK")
    busy, stolen = machine.cpu_seconds(stat)
    assert busy == pytest.approx(len(cores) * (100 + 20 + 3 + 5000 + 600) / ticks)
    assert stolen == pytest.approx(len(cores) * 7 / ticks)
    assert machine.cpu_seconds(tmp_path / "none") == (None, None)
    stat.write_text("cpu0 1 2 3 4\n")
    assert machine.cpu_seconds(stat) == (None, None)
