"""What the reference cancels: how far the processes of a cell are apart, without it and with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median, stdev

import pandas as pd

from cnnbench.core.metrics import split
from cnnbench.report.merge import rows_of
from cnnbench.store import statistics

_LOCATION = "latency_location_s"


def cancelled(report: pd.DataFrame) -> Iterator[str]:
    """One line over all latency cells with enough processes; none where there is no such cell."""
    spreads = list(_spreads(report))
    if not spreads:
        return
    plain, beside = (median(values) for values in zip(*spreads, strict=True))
    cells = f"{len(spreads)} cell{'s' * (len(spreads) != 1)}"
    yield (
        f"The processes of one latency cell differ by {plain:.1%} (standard deviation, median of "
        f"{cells}); divided by the reference timed beside in each, by {beside:.1%}: by that are "
        "intervals of the location, comparisons and tiers made"
    )


def _spreads(report: pd.DataFrame) -> Iterator[tuple[float, float]]:
    """Of every cell the spread of its locations, and of their ratios to the reference."""
    names = [name for name in report.columns if split(name)[0] == _LOCATION]
    for row in rows_of(report):
        for name in names:
            found = row.read(name)
            if len(found.ratios) >= statistics.FEWEST_PROCESSES:
                yield _spread(found.samples), _spread(found.ratios)


def _spread(values: Sequence[float]) -> float:
    return stdev(statistics.log_ratios(values).tolist())
