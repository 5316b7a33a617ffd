"""Which workload of the reference each call path follows, from the records of runs.

For every runtime: the standard deviation between the undisturbed rounds of a cell, of the logarithm
of its time as measured and divided by each workload (root mean square over the cells), and the
correlation with it.

    python benchmarks/references.py RUN...
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cnnbench.probes.latency.reference import WORKLOADS
from cnnbench.record import Record
from cnnbench.results import journal
from cnnbench.statistics.robust import FEWEST_PROCESSES

METRICS = ("latency_p50_s", "latency_location_s")


def cells(runs: Sequence[Path]) -> dict[str, list[list[Record]]]:
    """Return the undisturbed rounds of every cell with enough of them, by runtime."""
    found: dict[tuple[Path, str, str], list[Record]] = defaultdict(list)
    for run in runs:
        for record in journal.read(run / journal.FILE_NAME)[1]:
            if record.status == "ok" and record.details.get("is_disturbed") is False:
                found[run, record.setting["runtime"], record.model].append(record)
    by_runtime: dict[str, list[list[Record]]] = defaultdict(list)
    for (_, runtime, _), rounds in found.items():
        if len(rounds) >= FEWEST_PROCESSES:
            by_runtime[runtime].append(rounds)
    return by_runtime


def centred(values: Sequence[float]) -> np.ndarray:
    """Return logarithms minus their mean."""
    logs = np.log(values)
    return np.asarray(logs - logs.mean())


def spread(deviations: Sequence[np.ndarray]) -> float:
    """Return the root mean square over the cells of their standard deviations."""
    variances = [np.square(one).sum() / (len(one) - 1) for one in deviations]
    return float(np.sqrt(np.mean(variances)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path)
    arguments = parser.parse_args()
    for runtime, found in cells(arguments.runs).items():
        print(f"{runtime}: {len(found)} cells, {sum(map(len, found))} rounds")
        for metric in METRICS:
            times = [centred([one.metrics[metric] for one in rounds]) for rounds in found]
            words = [f"as measured {spread(times):.1%}"]
            for workload in WORKLOADS:
                beside = [
                    centred([one.details["reference_s"][workload] for one in rounds])
                    for rounds in found
                ]
                divided = spread([t - by for t, by in zip(times, beside, strict=True)])
                r = np.corrcoef(np.concatenate(times), np.concatenate(beside))[0, 1]
                words.append(f"÷ {workload} {divided:.1%} (r {r:.2f})")
            print(f"  {metric}: {', '.join(words)}")


if __name__ == "__main__":
    main()
