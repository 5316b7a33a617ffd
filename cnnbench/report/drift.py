"""What the reference cancels: how far the processes of a cell are apart, without it and with it."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median, stdev

import pandas as pd

from cnnbench.core.metrics import split
from cnnbench.report.merge import rows_of
from cnnbench.store import statistics

_LOCATION = "latency_location_s"
_FEWEST = 6  # of fewer processes a spread says little


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
            samples, reference = found.samples, found.reference
            is_paired = len(samples) >= _FEWEST and len(samples) == len(reference)
            if is_paired and min(*samples, *reference) > 0:
                yield (
                    stdev(statistics.log_ratios(samples).tolist()),
                    stdev(statistics.log_ratios(samples, reference).tolist()),
                )
