"""The noise self-test: what precision can be expected on this machine, and what to do about it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cnnbench.environment import usable_cores
from cnnbench.statistics import estimates, robust
from cnnbench.statistics.drift_correction import log_ratios

PROCESSES = 8
# Beyond this many rounds a cell is not worth its time.
_SELF_TEST = "cnnbench.probes.latency.timing.self_test"
_MOST_ROUNDS = 100
_WANTED = 0.05


@dataclass(frozen=True)
class Noise:
    """Results of the self-test.

    Attributes:
        plain, corrected: the robust standard deviation between processes of the logarithm of the
            location: alone; and divided by the reference, of those that count.
        expected: rounds -> the relative half-width to be expected of a cell's interval; empty
            where nothing can be promised.
        rounds_needed: for ±5 %, or None where that takes more than a hundred or is not known.
        concerns: what disturbed over a third of the processes.
        why_not: why nothing can be promised; empty where something can.
    """

    plain: float
    corrected: float
    expected: dict[int, float]
    rounds_needed: int | None
    concerns: tuple[str, ...]
    why_not: tuple[str, ...]


def self_test(processes: int = PROCESSES, say: Callable[[int], None] = lambda done: None) -> Noise:
    """Measure the same work in fresh processes, one after another; a second or so each.

    Args:
        processes: how many.
        say: told how many are done.
    """
    found = []
    command = [
        sys.executable,
        "-m",
        "cnnbench.probes.latency.timing.self_test",
        str(usable_cores()),
    ]
    for done in range(processes):
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found.append(json.loads(output))
        say(done + 1)
    return judge(
        [one["location_s"] for one in found],
        [one["reference_s"] for one in found],
        [one["flags"] for one in found],
        [one["median_s"] for one in found],
    )


def judge(
    locations: Sequence[float],
    references: Sequence[float],
    flags: Sequence[Sequence[str]] = (),
    medians: Sequence[float] = (),
) -> Noise:
    """Forecast the precision of more processes from the samples of a few.

    Args:
        locations, references, flags: one a process.
        medians: likewise, the median of the calls; a cell's rounds end by both numbers, so that
            the less precise one is what can be expected.
    """
    plain = log_ratios(locations)
    ratios = [log_ratios(one, references) for one in (locations, medians) if len(one)]
    concerns = tuple(estimates.concerns(flags))
    why_not = (*concerns, *dict.fromkeys(words for one in ratios for words in _wild(one)))
    expected, needed = {}, None
    if not why_not:

        def widest(rounds: int) -> float:
            return max(expected_precision(one, rounds) for one in ratios)

        expected = {rounds: widest(rounds) for rounds in (6, 12)}
        candidates = range(robust.FEWEST_PROCESSES, _MOST_ROUNDS + 1)
        needed = next((rounds for rounds in candidates if widest(rounds) <= _WANTED), None)
    spreads = robust.deviation(plain), robust.deviation(ratios[0])
    return Noise(*spreads, expected, needed, concerns, why_not)


def _wild(logs: np.ndarray) -> Iterator[str]:
    """Yield a reason if a quarter of the processes are outliers, more than a cell tolerates."""
    far = max(3 * robust.deviation(logs), math.log1p(_WANTED))
    wild = int((np.abs(logs - np.median(logs)) > far).sum())
    if wild >= len(logs) / 4:
        yield f"{wild} of {len(logs)} processes took {math.expm1(far):.0%} more or less than most"


def expected_precision(logs: np.ndarray, rounds: int) -> float:
    """The relative half-width of a 95 % interval after ``rounds``, given some processes' logs."""
    _, error, _ = robust.trimmed(logs)
    freedom = rounds - 2 * (rounds // 4) - 1
    half = robust.t_quantile(freedom) * error * math.sqrt(len(logs) / rounds)
    return float(np.sinh(half))


def advice(noise: Noise, load: float | None, governor: str | None) -> list[str]:
    """What would make the numbers steadier, in the order of what helps most."""
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
        first = "" if lines else "stop what else is running, and "
        lines.append(f"{first}run `cnnbench doctor` again: as it is, cells will be unstable")
    elif noise.rounds_needed is None:
        lines.append(f"±5 % takes over {_MOST_ROUNDS} rounds here: ask for less, `precision: 10%`")
    elif noise.rounds_needed > 12:
        lines.append(f"±5 % takes some {noise.rounds_needed} rounds here: raise `max_rounds`")
    return lines or ["nothing to do: the default settings will do"]
