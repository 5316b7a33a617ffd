"""Activity of the machine during a measurement: CPU time of other processes, stolen, throttled.

Read from ``/proc`` and the control groups before and after a measurement, never during it. Systems
other than Linux report nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cnnbench.environment import cgroup

# Cores above which a round was disturbed; one tick of the kernel's clock is 10 ms.
_OTHERS = 0.10
_STOLEN = 0.05
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class CpuSnapshot:
    """CPU counters at one moment; seconds since an arbitrary start.

    Attributes:
        wall: time of the clock.
        own: CPU time of this process, all threads.
        busy: CPU time of all processes on the cores that this process may use, or None if unknown.
        stolen: time in which the hypervisor ran something else, or None if unknown.
        throttled: number of times that a quota stopped this process's control groups.
    """

    wall: float
    own: float
    busy: float | None
    stolen: float | None
    throttled: int


@dataclass(frozen=True)
class CpuUsage:
    """CPU usage between two snapshots, in cores (CPU seconds per second).

    ``throttled`` is a number of times; None means unknown.
    """

    own_cores: float
    other_cores: float | None
    stolen_cores: float | None
    throttled: int

    def disturbances(self) -> list[str]:
        """Return what took the CPU away; values that vary are in brackets."""
        found = []
        if self.other_cores is not None and self.other_cores > _OTHERS:
            found.append(f"another process used the CPU ({self.other_cores:.2f} cores)")
        if self.stolen_cores is not None and self.stolen_cores > _STOLEN:
            found.append(f"the hypervisor took the CPU away ({self.stolen_cores:.2f} cores)")
        return found

    def flags(self, threads: int) -> list[str]:
        """Return the reasons why the timings are doubtful; values that vary are in brackets."""
        found = []
        if self.throttled:
            found.append(f"throttled by the container's CPU limit ({self.throttled} times)")
        if self.own_cores > threads + 0.2:
            found.append(f"used more cores than its threads ({self.own_cores:.1f} of {threads})")
        return found


def now() -> CpuSnapshot:
    """Read the counters."""
    busy, stolen = cpu_seconds()
    throttled = _groups().throttled()
    return CpuSnapshot(time.perf_counter(), time.process_time(), busy, stolen, throttled)


@cache
def _groups() -> cgroup.ControlGroups:
    """Return the control groups of this process, found once: their files change, they do not."""
    return cgroup.of_process()


def over(spans: Sequence[tuple[CpuSnapshot, CpuSnapshot]]) -> CpuUsage:
    """Return the CPU usage over all these spans, ``(before, after)`` each."""
    wall = max(sum(after.wall - before.wall for before, after in spans), 1e-9)
    own = sum(after.own - before.own for before, after in spans)
    busy = _sum((before.busy, after.busy) for before, after in spans)
    stolen = _sum((before.stolen, after.stolen) for before, after in spans)
    others = None if busy is None else max(0.0, busy - own) / wall
    throttled = sum(after.throttled - before.throttled for before, after in spans)
    return CpuUsage(own / wall, others, None if stolen is None else stolen / wall, throttled)


def _sum(spans: Iterable[tuple[float | None, float | None]]) -> float | None:
    """Sum of after - before; None if any counter is unknown."""
    total = 0.0
    for before, after in spans:
        if before is None or after is None:
            return None
        total += after - before
    return total


def cpu_seconds(stat: Path = Path("/proc/stat")) -> tuple[float | None, float | None]:
    """Return busy and stolen seconds of the usable cores; None, None if unknown."""
    try:
        usable = {f"cpu{core}" for core in os.sched_getaffinity(0)}
        lines = [line.split() for line in stat.read_text().splitlines()]
    except (OSError, AttributeError):
        return None, None
    rows = [[int(ticks) for ticks in line[1:]] for line in lines if line and line[0] in usable]
    if not rows or any(len(row) < 8 for row in rows):
        return None, None
    # user nice system idle iowait irq softirq steal guest guest_nice
    busy = sum(sum(row[:3]) + row[5] + row[6] for row in rows)
    return busy / _TICKS, sum(row[7] for row in rows) / _TICKS
