"""What the reference cancels: how far the processes of a cell are apart, without it and with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from cnnbench.metrics import split
from cnnbench.results.report import Report
from cnnbench.statistics.drift_correction import counted, logarithms
from cnnbench.statistics.measurement import Measurement
from cnnbench.statistics.robust import FEWEST_PROCESSES, deviation

_LOCATION = "latency_location_s"


def cancelled(report: Report) -> Iterator[str]:
    """What holds over all latency cells with enough processes; nothing where there is no such."""
    found = list(_cells(report))
    if not found:
        return
    plain = median(_spread([cell.samples[n] for n in counted(cell.references)]) for cell in found)
    beside = median(_spread(cell.ratios) for cell in found)
    cells = f"{len(found)} cell{'s' * (len(found) != 1)}"
    yield (
        f"The processes of one latency cell differ by {plain:.1%} (robust standard deviation, "
        f"median of {cells}); divided by the reference timed beside each, by {beside:.1%}: "
        "intervals, comparisons and tiers use drift-corrected values"
    )
    rounds = sum(len(cell.samples) for cell in found)
    if left_out := rounds - sum(len(cell.ratios) for cell in found):
        yield (
            f"{left_out} of {rounds} rounds do not count: the machine was slowed down in them (the "
            "reference took over a quarter longer than in the fastest round of its cell)"
        )


def _cells(report: Report) -> Iterator[Measurement]:
    """The locations that enough processes of counted."""
    names = [name for name in report.numbers if split(name)[0] == _LOCATION]
    for row in report:
        for name in names:
            found = row.read(name)
            if len(found.ratios) >= FEWEST_PROCESSES:
                yield found


def _spread(values: Sequence[float]) -> float:
    return deviation(logarithms(values))
