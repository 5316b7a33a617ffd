"""Replay rules for leaving out disturbed blocks, and references to divide by, on recorded traces.

For every rule and trace: the robust spread of a network's time over the visits (1.4826 × the median
absolute deviation of its logarithm) as measured and divided by each workload of the reference, its
shift against the first trace, and how much was kept; means over the networks of a runtime. A rule
looks at the reference only.

    python benchmarks/replay.py QUIET.npz [DISTURBED.npz ...] [--location p10|p50]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from record_trace import Visit, read

from cnnbench.probes.latency.quiet import LIMITS
from cnnbench.probes.latency.reference import WORKLOADS
from cnnbench.probes.latency.timed_round import fastest_decile_mean
from cnnbench.statistics.robust import deviation

Limits = Mapping[str, float]

RULES: Mapping[str, Limits] = {
    "all blocks": {},
    "few per cent": {"calls": 0.05, "arithmetic": 0.05, "memory": 0.15},
    "calls 1.25": {"calls": 0.25},
    "calls 2": {"calls": 1.0},
    "arithmetic 1.15": {"arithmetic": 0.15},
    "arithmetic 1.4": {"arithmetic": 0.4},
    "memory 2.2": {"memory": 1.2},
    "chosen": LIMITS,
    "stricter": {"calls": 0.8, "arithmetic": 0.25, "memory": 0.8},
    "looser": {"calls": 1.5, "arithmetic": 0.6, "memory": 2.0},
}
_WANTED, _FEWEST = 20, 10  # blocks of a round, and those with which it is undisturbed
_FEWEST_ROUNDS = 4


@dataclass(frozen=True)
class Round:
    """What a visit gives by a rule: its time, the readings beside it, and how much was used."""

    seconds: float
    beside: Mapping[str, float]
    kept: int
    used: int


def fastest(visits: Sequence[Visit]) -> dict[str, float]:
    """Return the fastest tenth of the readings of the visit in which it is lowest."""
    return {
        name: min(float(np.quantile(v.readings[f"slowest-{name}"], 0.1)) for v in visits)
        for name in WORKLOADS
    }


def played(visit: Visit, limits: Limits, best: Mapping[str, float], location: str) -> Round | None:
    """Return the round that a rule makes of a visit, or None if it is disturbed."""
    within = np.ones(len(visit.blocks) + 1, bool)
    for name, limit in limits.items():
        within &= visit.readings[f"slowest-{name}"] <= (1 + limit) * best[name]
    quiet = np.flatnonzero(within[:-1] & within[1:])[:_WANTED]
    if len(quiet) < _FEWEST:
        return None
    calls = np.concatenate([visit.blocks[place] for place in quiet])
    seconds = float(np.median(calls)) if location == "p50" else fastest_decile_mean(calls.tolist())
    typical = {name: visit.readings[f"typical-{name}"] for name in WORKLOADS}
    beside = {n: float((of[quiet] + of[quiet + 1]).mean() / 2) for n, of in typical.items()}
    used = len(visit.blocks) if len(quiet) < _WANTED else int(quiet[-1]) + 1
    return Round(seconds, beside, len(quiet), used)


def spread(rounds: Sequence[Round], workload: str | None) -> float:
    """Return the spread of the times of rounds, divided by a workload of the reference."""
    by = [one.beside[workload] if workload else 1.0 for one in rounds]
    return deviation(np.log([one.seconds / b for one, b in zip(rounds, by, strict=True)]))


def correlation(rounds: Sequence[Round], workload: str) -> float:
    """Return the correlation of the logarithms of the times with those of a workload."""
    times, beside = zip(*((one.seconds, one.beside[workload]) for one in rounds), strict=True)
    return float(np.corrcoef(np.log(times), np.log(beside))[0, 1])


def row(
    rule: Limits,
    visits: Sequence[Visit],
    runtime: str,
    best: Mapping[str, float],
    location: str,
    truth: dict[str, float],
) -> str:
    """Return what a rule makes of a runtime's networks; ``truth`` takes the first trace's times."""
    rows, disturbed, count = [], 0, 0
    for network in dict.fromkeys(v.network for v in visits if v.network.endswith(f"/{runtime}")):
        made = [played(v, rule, best, location) for v in visits if v.network == network]
        rounds = [one for one in made if one]
        disturbed, count = disturbed + made.count(None), count + len(made)
        if len(rounds) >= _FEWEST_ROUNDS:
            middle = float(np.median([one.seconds for one in rounds]))
            shift = abs(np.log(middle / truth.setdefault(network, middle)))
            kept = sum(one.kept for one in rounds) / sum(one.used for one in rounds)
            spreads = [spread(rounds, by) for by in (None, *WORKLOADS)]
            follows = [correlation(rounds, by) for by in WORKLOADS]
            rows.append([shift, kept, *spreads, *follows])
    if not rows:
        return f"disturbed {disturbed:3}/{count}"
    shift, kept, plain, *rest = (fmean(values) for values in zip(*rows, strict=True))
    divided = "  ".join(
        f"÷{name} {100 * by:4.1f} (r {follows:+.2f})"
        for name, by, follows in zip(WORKLOADS, rest[:3], rest[3:], strict=True)
    )
    return (
        f"kept {kept:4.0%}  disturbed {disturbed:3}/{count}  shift {100 * shift:5.1f} %  "
        f"spread {100 * plain:4.1f} %  {divided}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("traces", nargs="+", type=Path)
    parser.add_argument("--location", choices=("p10", "p50"), default="p50")
    arguments = parser.parse_args()
    traces = {path.stem: read(path) for path in arguments.traces}
    best = fastest([visit for visits in traces.values() for visit in visits])
    truth: dict[str, float] = {}
    for title, visits in traces.items():
        print(f"\n{title}: {len(visits)} visits, {arguments.location}")
        for name in WORKLOADS:
            found = np.concatenate([visit.readings[f"slowest-{name}"] for visit in visits])
            shares = ", ".join(
                f"{np.mean(found <= (1 + by) * best[name]):.0%} within {by:.0%}"
                for by in (0.05, 0.25, 1.0)
            )
            print(f"  {name}: fastest {1e6 * best[name]:.1f} us; readings: {shares}")
        runtimes = dict.fromkeys(visit.network.split("/")[1] for visit in visits)
        for rule, limits in RULES.items():
            for runtime in runtimes:
                words = row(limits, visits, runtime, best, arguments.location, truth)
                print(f"  {rule:16} {runtime:7} {words}")


if __name__ == "__main__":
    main()
