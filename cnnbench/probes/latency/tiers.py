"""Columns derived from the latencies of all rows: their tiers, and the achieved FLOP/s.

Computed every time a table is made, never stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cnnbench.metrics import column, split
from cnnbench.record import Record
from cnnbench.row import Row
from cnnbench.statistics import drift_correction, estimates
from cnnbench.statistics.measurement import Measurement
from cnnbench.statistics.robust import FEWEST_PROCESSES
from cnnbench.units import rounded

_LOCATION, _RATE, _ACHIEVED = "latency_location_s", "throughput_per_s", "achieved_flops_per_s"
TIER = "latency_tier"


def columns(
    rows: Sequence[Row], records: Sequence[Sequence[Record]]
) -> list[dict[str, Measurement]]:
    """Return, for every row of a report, the columns to add to it."""
    found = [_achieved(row) for row in rows]
    labels = dict.fromkeys(
        split(name)[1] for row in rows for name in row.values if _is_of(name, _LOCATION)
    )
    for label in labels:
        every = {place: ratios(row, label) for place, row in enumerate(rows)}
        ranked = {p: one for p, one in every.items() if len(one) >= FEWEST_PROCESSES}
        if len(ranked) < 2:
            continue
        for place, tier in zip(ranked, estimates.tiers(list(ranked.values())), strict=True):
            found[place][column(TIER, label)] = Measurement(tier)
    return found


def _achieved(row: Row) -> dict[str, Measurement]:
    """Return FLOPs per image × images per second, with its interval, where both are known."""
    flops = row.get("flops").value
    if not flops:
        return {}
    return {
        column(_ACHIEVED, split(name)[1]): _times(flops, rate)
        for name, rate in row.values.items()
        if _is_of(name, _RATE) and rate.value is not None
    }


def _times(flops: float, rate: Measurement) -> Measurement:
    """Scale a rate in images to one in FLOPs."""
    ends = (rate.value, rate.low, rate.high)
    value, low, high = (None if end is None else flops * end for end in ends)
    samples = tuple(rounded(flops * sample) for sample in rate.samples)
    return replace(rate, value=value, low=low, high=high, samples=samples)


def ratios(row: Row, label: str) -> tuple[float, ...]:
    """Return location ÷ reference of every valid process, or the location without a reference."""
    locations, beside = (
        row.get(column(name, label)).samples for name in (_LOCATION, "reference_s")
    )
    return drift_correction.ratios(locations, beside) if beside else locations


def _is_of(name: str, metric: str) -> bool:
    return split(name)[0] == metric
