"""Scenario ``server``: the highest rate of random arrivals at which the bound holds.

A trial answers one Poisson process of queries at one rate. Bisection between no load and what the
streams answer at most finds the rate, always with the same arrivals, which only come closer
together. Failures while the machine was disturbed do not count, as long as patience lasts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Protocol

import numpy as np

from cnnbench.probes.interface import ProbeResult
from cnnbench.probes.latency.reference import WORKLOADS, Reading
from cnnbench.probes.latency.timed_round import TimingConfig
from cnnbench.probes.latency.watch import Watch
from cnnbench.probes.load.rates import arrivals, highest_rate
from cnnbench.probes.load.settings import FAILED, RATE, RATIO, LoadSetting
from cnnbench.probes.load.streams import Served, Streams, serve
from cnnbench.statistics.percentiles import CALLS_NEEDED, quantile

_SEED = 14  # of the arrivals, with the number of the round
_FIRST = 1.1  # of the largest rate that the streams answer: more than that they cannot
# Of the load generator: the number of attempts, and the share of the rate that it may lose.
_ATTEMPTS, _LAG = 3, 0.01
_NEVER_LATE_S, _FEWEST = 3600.0, 100


@dataclass(frozen=True)
class ServerConfig:
    """Duration of the trials.

    Attributes:
        timing: patience and pauses of the wait for a quiet machine, and the clock.
        seconds: least duration of a trial at the highest rate.
        bounds: the same in bounds. A queue that grows all the time is only noticed when it has
            grown by the bound: the rate found is too high by up to one in so many.
        tolerance: of the bracket around the rate, relative.
    """

    timing: TimingConfig = field(default_factory=lambda: TimingConfig(patience_s=20.0))
    seconds: float = 1.0
    bounds: float = 50.0
    tolerance: float = 0.01

    def queries(self, capacity: float, bound_s: float, fewest: int) -> int:
        """Return the number of queries of every trial.

        Args:
            capacity: queries a second that the streams answer at most.
            bound_s: of the setting.
            fewest: of the setting.
        """
        lasting = math.ceil(capacity * max(self.seconds, self.bounds * bound_s))
        return max(fewest, lasting)


@dataclass(frozen=True)
class Trial:
    """A rate that was tried.

    Attributes:
        rate: queries a second.
        p50_s: median latency.
        quantile_s: the percentile that the bound is for; None where the trial ended early, as too
            many answers were late.
        holds: whether it is within the bound.
        is_quiet: whether the machine was quiet before and after.
    """

    rate: float
    p50_s: float | None
    quantile_s: float | None
    holds: bool
    is_quiet: bool


class Service(Protocol):
    """A function that answers the queries of a trial."""

    def __call__(self, due: np.ndarray, bound_s: float, most_late: int) -> Served:
        """Answer queries, as `streams.serve`."""


class Trials:
    """The trials of one round, in order.

    Args:
        service: answers the queries.
        watch: reads the reference.
        moments: of the arrivals at a rate of one a second.
        bound_s, percentile: of the setting.
        patience_s: maximum time spent waiting, and on trials that do not count.

    Attributes:
        done: every trial.
        left_out_s: seconds of the trials that do not count.
    """

    def __init__(
        self,
        service: Service,
        watch: Watch,
        moments: np.ndarray,
        bound_s: float,
        percentile: int,
        patience_s: float,
    ) -> None:
        self._service, self._watch, self._moments = service, watch, moments
        self._bound_s, self._percentile, self._patience_s = bound_s, percentile, patience_s
        self.done: list[Trial] = []
        self._readings: list[Reading] = []
        self.left_out_s = 0.0

    def holds(self, rate: float) -> bool:
        """Return whether the bound holds at a rate.

        A failure while the machine is disturbed does not count until patience is at its end.
        """
        while True:
            trial, readings, seconds = self._tried(rate)
            if trial.holds or trial.is_quiet or self._spent_s() >= self._patience_s:
                self._readings += readings
                return trial.holds
            self.left_out_s += seconds

    def reference_s(self) -> dict[str, float]:
        """Return the mean seconds of each workload of the reference around trials that count."""
        return {name: fmean(one.typical[name] for one in self._readings) for name in WORKLOADS}

    def _tried(self, rate: float) -> tuple[Trial, list[Reading], float]:
        """Return a trial, the readings before and after it, and its duration in seconds."""
        before = self._watch.until_quiet(self._spent_s)
        served = self._service(self._moments / rate, self._bound_s, self.most_late)
        after = self._watch.read()
        middle = found = None
        if served.is_complete:
            latencies = served.latencies.tolist()
            middle, found = quantile(latencies, 50), quantile(latencies, self._percentile)
        is_quiet = self._watch.is_quiet(before) and self._watch.is_quiet(after)
        holds = found is not None and found <= self._bound_s
        trial = Trial(rate, middle, found, holds, is_quiet)
        self.done.append(trial)
        return trial, [before, after], float(np.nanmax(served.ended, initial=0.0))

    def _spent_s(self) -> float:
        return self._watch.waited_s + self.left_out_s

    @property
    def most_late(self) -> int:
        """Largest number of late answers with which the percentile may be within the bound."""
        last = len(self._moments) - 1
        return last - last * self._percentile // 100


def measure(
    service: Service,
    generator: Callable[[float], float],
    watch: Watch,
    capacity: float,
    setting: LoadSetting,
    repeat: int,
    config: ServerConfig,
) -> ProbeResult:
    """Find the highest rate of one round, and check the load generator at twice that rate.

    Args:
        service: answers queries.
        generator: ``rate -> share of it`` that the load generator alone keeps.
        watch: reads the reference.
        capacity: queries a second that the streams answer at most.
        setting: setting of the cell, with a bound.
        repeat: number of the round, which has arrivals of its own.
        config: duration of the trials.
    """
    assert setting.bound is not None and setting.percentile is not None
    fewest = setting.queries or CALLS_NEEDED[setting.percentile]
    count = config.queries(capacity, setting.bound, fewest)
    moments = arrivals(count, (_SEED, repeat))
    trials = Trials(
        service, watch, moments, setting.bound, setting.percentile, config.timing.patience_s
    )
    found = highest_rate(trials.holds, _FIRST * capacity, config.tolerance)
    metrics = {"waited_s": watch.waited_s, "left_out_s": trials.left_out_s}
    flags = []
    if found.low:
        kept = generator(2 * found.low)
        metrics |= {RATE: found.low, RATIO: kept}
        if 1 - kept > _LAG:
            flags.append(f"the load generator lagged: {kept:.1%} of twice the rate")
    return ProbeResult(
        metrics,
        samples={FAILED: [found.high]},
        details={
            "flags": flags,
            "trials": [asdict(trial) for trial in trials.done],
            "queries": count,
            "capacity_qps": capacity,
            "is_disturbed": not trials.done[-1].is_quiet,  # the failure that decided
            "reference_s": trials.reference_s(),
        },
    )


def kept_by_generator(streams: Streams, config: ServerConfig, rate: float) -> float:
    """Return the share of a rate that the load generator keeps if every answer takes no time.

    The best of up to three attempts, as a disturbed machine only delays it.
    """
    moments = arrivals(config.queries(rate, 0.0, _FEWEST), (_SEED,))
    kept: list[float] = []
    clock, sleep = config.timing.clock_ns, config.timing.sleep
    with streams.without_network() as idle:
        while len(kept) < _ATTEMPTS and (not kept or 1 - kept[-1] > _LAG):
            served = serve(idle, moments / rate, _NEVER_LATE_S, len(moments), clock, sleep)
            kept.append(served.kept)
    return max(kept)
