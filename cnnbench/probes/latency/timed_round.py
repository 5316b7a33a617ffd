"""One round: its duration, its blocks of calls, and which of them count."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev

from cnnbench.probes.latency import machine
from cnnbench.probes.latency.machine import CpuSnapshot, CpuUsage
from cnnbench.probes.latency.quiet import is_quiet
from cnnbench.probes.latency.reference import Reading

Clock = Callable[[], int]
Parts = Callable[[int], Mapping[str, Sequence[float]]]
"""Number of calls -> the seconds of each part of the last so many calls, by name."""


@dataclass(frozen=True)
class TimingConfig:
    """Duration of a measurement.

    Attributes:
        seconds: minimum total time of the counted calls.
        unsteady_s: the same on a machine whose speed changes from one block to the next.
        steadiness: relative standard error of the mean reading above which it does.
        calls: minimum number of counted calls.
        block_s: time of the calls between two readings of the reference.
        window_s: minimum total time of the calls in a warm-up window.
        agreement: the relative difference below which two successive windows agree; compared are
            means of the fastest half, as the fastest calls may be warm before most are.
        warm_up_s: maximum duration of the warm-up; a window that has begun is finished.
        settle_s: pause between the calls and the reference, after which the threads of most
            runtimes sleep; they spin for some milliseconds after a call.
        rewarm_s: time of uncounted calls after a reading.
        pause_s: time between two questions whether the machine is quiet again.
        patience_s: maximum time of a round that is spent waiting, and on calls that are left out.
        clock_ns, sleep: clock in nanoseconds, and what waits for a number of seconds.
    """

    seconds: float = 1.0
    unsteady_s: float = 2.0
    steadiness: float = 0.02
    calls: int = 11
    block_s: float = 0.1
    window_s: float = 0.1
    agreement: float = 0.05
    warm_up_s: float = 5.0
    settle_s: float = 0.02
    rewarm_s: float = 0.01
    pause_s: float = 0.1
    patience_s: float = 6.0
    clock_ns: Clock = time.perf_counter_ns
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class WarmUp:
    """Warm-up windows (mean of the fastest half, in seconds), and whether the last two agreed."""

    windows: tuple[float, ...]
    agreed: bool


@dataclass(frozen=True)
class Block:
    """Successive calls, and what was seen around them.

    Attributes:
        calls: seconds of each.
        before, after: readings of the reference.
        began, ended: counters of the CPU at both ends.
        parts: seconds of each part of the calls, by name; empty where calls have none.
    """

    calls: tuple[float, ...]
    before: Reading
    after: Reading
    began: CpuSnapshot
    ended: CpuSnapshot
    parts: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return sum(self.calls)

    def reference_s(self, workload: str) -> float:
        """Return the seconds of a call of a workload, the mean of before and after."""
        return (self.before.typical[workload] + self.after.typical[workload]) / 2

    def was_quiet(self, fastest: Mapping[str, float]) -> bool:
        """Return whether the machine was quiet before and after."""
        return is_quiet(self.before, fastest) and is_quiet(self.after, fastest)


@dataclass
class Timing:
    """A round.

    Attributes:
        config: the duration wanted.
        fastest: of the reference: known before, and seen in this round.
        blocks: in their order.
        waited_s: seconds spent waiting until the machine was quiet.
    """

    config: TimingConfig = field(default_factory=TimingConfig)
    fastest: Mapping[str, float] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    waited_s: float = 0.0

    @property
    def quiet(self) -> list[Block]:
        """Blocks during which the machine was quiet, as far as is known now."""
        return [block for block in self.blocks if block.was_quiet(self.fastest)]

    @property
    def is_disturbed(self) -> bool:
        """True if there are too few quiet blocks, so that disturbed ones count too."""
        return not self._is_enough(self.quiet, self.config.seconds / 2)

    @property
    def counted(self) -> list[Block]:
        """The quiet blocks, or all where these are too few."""
        return self.blocks if self.is_disturbed else self.quiet

    @property
    def calls(self) -> list[float]:
        """Seconds of every counted call."""
        return [seconds for block in self.counted for seconds in block.calls]

    @property
    def parts(self) -> dict[str, list[float]]:
        """Seconds of each part of every counted call, by name."""
        found: dict[str, list[float]] = {}
        for block in self.counted:
            for name, seconds in block.parts.items():
                found.setdefault(name, []).extend(seconds)
        return found

    @property
    def left_out_s(self) -> float:
        """Seconds of the calls that do not count."""
        return 0.0 if self.is_disturbed else self._disturbed_s

    @property
    def spent_s(self) -> float:
        """Seconds spent waiting, and on calls beside a disturbed reading."""
        return self.waited_s + self._disturbed_s

    @property
    def _disturbed_s(self) -> float:
        return sum(block.seconds for block in self.blocks if not block.was_quiet(self.fastest))

    @property
    def is_complete(self) -> bool:
        """True if enough was timed while the machine was quiet, or patience is at its end."""
        seconds, unsteady_s = self.config.seconds, self.config.unsteady_s
        quiet = self.quiet
        if self._is_enough(quiet, seconds if self._is_steady(quiet) else unsteady_s):
            return True
        is_over = self.spent_s >= self.config.patience_s
        return is_over and self._is_enough(self.blocks, seconds)

    def reference_s(self, workload: str) -> float:
        """Return the mean seconds of a call of a workload, over the counted blocks.

        Of two states of the machine the calls meet both, as long as they last; so does a mean.
        """
        return fmean(block.reference_s(workload) for block in self.counted)

    def usage(self) -> CpuUsage:
        """Return the CPU usage during the counted blocks."""
        return machine.over([(block.began, block.ended) for block in self.counted])

    def _is_steady(self, blocks: Sequence[Block]) -> bool:
        """Return whether the mean reading over the blocks is certain."""
        readings = [block.after.typical["calls"] for block in blocks]
        if len(readings) < 2:
            return False
        return stdev(readings) / math.sqrt(len(readings)) <= self.config.steadiness * fmean(
            readings
        )

    def _is_enough(self, blocks: Sequence[Block], seconds: float) -> bool:
        count = sum(len(block.calls) for block in blocks)
        return count >= self.config.calls and sum(block.seconds for block in blocks) >= seconds


def fastest_decile_mean(seconds: Sequence[float]) -> float:
    """Return the mean of the fastest tenth of calls, but of at least three.

    Noise from other processes only adds time. A neighbour that is busy for part of a round affects
    the fastest half of the calls, and the model and the reference by different shares, but hardly
    the fastest tenth.

    Raises:
        ValueError: there are no calls.
    """
    return fastest_mean(seconds, 0.1, fewest=3)


def fastest_mean(seconds: Sequence[float], share: float, fewest: int = 1) -> float:
    """Return the mean of the fastest ``share`` of calls."""
    if not seconds:
        raise ValueError("no calls")
    found = sorted(seconds)[: max(fewest, math.ceil(share * len(seconds)))]
    return sum(found) / len(found)
