"""Noise self-test: the precision to expect on this machine, and how to improve it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np

from cnnbench.environment import usable_cores
from cnnbench.errors import JobFailed
from cnnbench.statistics import estimates, robust
from cnnbench.statistics.drift_correction import logarithms

PROCESSES = 8
_SELF_TEST = "cnnbench.probes.latency.self_test"
_LAST_LINES = 5  # of the output of a process that failed
_MOST_ROUNDS = 100  # of a cell that is worth its time
_WANTED = 0.05


@dataclass(frozen=True)
class Noise:
    """Results of the self-test.

    Attributes:
        spread: robust standard deviation between processes of the logarithm of the latency.
        expected: rounds -> expected relative half-width of a cell's interval; empty if there is no
            forecast.
        rounds_needed: for ±5 %; None if more than a hundred, or not known.
        concerns: disturbances of more than a third of the processes.
        why_not: why there is no forecast; empty if there is one.
        extra_s: expected time of a round that goes into waiting and into calls that are left out,
            in seconds.
        disturbed: number of processes that did not find the machine quiet for long enough.
    """

    spread: float
    expected: dict[int, float]
    rounds_needed: int | None
    concerns: tuple[str, ...]
    why_not: tuple[str, ...]
    extra_s: float = 0.0
    disturbed: int = 0


def self_test(
    processes: int = PROCESSES,
    report_progress: Callable[[int], None] = lambda done: None,
    module: str = _SELF_TEST,
) -> Noise:
    """Measure the same work in fresh processes, one after another; a second or so each.

    Args:
        processes: how many.
        report_progress: takes the number of processes that are done.
        module: run with the number of threads and the fastest readings so far as its arguments;
            prints what it measured as JSON.

    Raises:
        JobFailed: a process failed; the message holds the last lines of its stderr.
    """
    found: list[dict[str, Any]] = []
    fastest: dict[str, float] = {}
    for done in range(processes):
        arguments = [str(usable_cores()), json.dumps(fastest)]
        process = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
        )
        if code := process.returncode:
            ending = f"signal {-code}" if code < 0 else f"exit code {code}"
            lines = process.stderr.splitlines()[-_LAST_LINES:]
            raise JobFailed("\n  ".join([f"the noise self-test failed with {ending}:", *lines]))
        found.append(json.loads(process.stdout))
        fastest |= found[-1]["fastest"]  # it knew those before
        report_progress(done + 1)
    quiet = [one for one in found if not one["is_disturbed"]]
    counting = quiet if len(quiet) >= robust.FEWEST_PROCESSES else found
    noise = judge(
        [one["location_s"] for one in counting],
        [one["flags"] for one in counting],
        [one["median_s"] for one in counting],
        [one["disturbances"] for one in counting],
    )
    extra_s = fmean(one["waited_s"] + one["left_out_s"] for one in found)
    disturbed = len(found) - len(quiet)
    if disturbed > len(found) / 3:
        words = f"{disturbed} of {len(found)} processes did not find the machine quiet"
        noise = replace(noise, expected={}, rounds_needed=None, why_not=(*noise.why_not, words))
    return replace(noise, extra_s=extra_s, disturbed=disturbed)


def judge(
    locations: Sequence[float],
    flags: Sequence[Sequence[str]] = (),
    medians: Sequence[float] = (),
    disturbances: Sequence[Sequence[str]] = (),
) -> Noise:
    """Forecast the precision of more processes from the samples of a few.

    Args:
        locations, flags: one per process; the latencies are in seconds.
        medians: likewise, the median of the calls. The rounds of a cell end when both numbers are
            precise, so the forecast is that of the less precise one.
        disturbances: likewise, what took the CPU away; it gives advice and forbids no forecast.
    """
    logs = [logarithms(one) for one in (locations, medians) if len(one)]
    doubts = estimates.concerns(flags)
    concerns = (*doubts, *estimates.concerns(disturbances))
    why_not = (*doubts, *dict.fromkeys(words for one in logs for words in _wild(one)))
    expected, needed = {}, None
    if not why_not:

        def widest(rounds: int) -> float:
            return max(expected_precision(one, rounds) for one in logs)

        expected = {rounds: widest(rounds) for rounds in (6, 12)}
        candidates = range(robust.FEWEST_PROCESSES, _MOST_ROUNDS + 1)
        needed = next((rounds for rounds in candidates if widest(rounds) <= _WANTED), None)
    return Noise(robust.deviation(logs[0]), expected, needed, concerns, why_not)


def _wild(logs: np.ndarray) -> Iterator[str]:
    """Yield a reason if a quarter of the processes are outliers, more than a cell tolerates."""
    far = max(3 * robust.deviation(logs), math.log1p(_WANTED))
    wild = int((np.abs(logs - np.median(logs)) > far).sum())
    if wild >= len(logs) / 4:
        words = f"{wild} of {len(logs)} processes deviate from the median"
        yield f"{words} by more than {math.expm1(far):.0%}"


def expected_precision(logs: np.ndarray, rounds: int) -> float:
    """Return the relative half-width of a 95 % interval after ``rounds``.

    ``logs`` are the logarithms of the latencies of some processes.
    """
    _, error, _ = robust.trimmed(logs)
    freedom = rounds - 2 * (rounds // 4) - 1
    half = robust.t_quantile(freedom) * error * math.sqrt(len(logs) / rounds)
    return float(np.sinh(half))


def advice(noise: Noise, load: float | None, governor: str | None) -> list[str]:
    """Return what would make latencies more stable, most helpful first."""
    lines = []
    if any("another process" in concern for concern in noise.concerns) or (load or 0) > 0.5:
        lines.append("other processes use the CPU: stop them, or measure when they are done")
    if any("hypervisor" in concern for concern in noise.concerns):
        lines.append("the virtual machine's host is busy: measure at another time or elsewhere")
    if any("throttled" in concern for concern in noise.concerns):
        lines.append("the container's CPU limit throttles: give it whole cores")
    if governor not in (None, "performance"):
        lines.append(
            f"the frequency governor is '{governor}': "
            "`cpupower frequency-set -g performance` keeps the clock steady"
        )
    if noise.why_not:
        first = "" if lines else "stop other programs, and "
        lines.append(f"{first}run `cnnbench doctor` again: latencies would be unstable now")
    elif noise.rounds_needed is None:
        lines.append(f"±5 % takes over {_MOST_ROUNDS} rounds here: use `precision: 10%`")
    elif noise.rounds_needed > 12:
        lines.append(f"±5 % takes about {noise.rounds_needed} rounds here: raise `max_rounds`")
    return lines or ["none: the default settings suffice"]
