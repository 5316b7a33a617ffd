"""What follows from the latencies of a report's rows: their tiers, and the FLOP/s achieved.

Computed every time a table is made, never stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cnnbench.metrics import column, split
from cnnbench.results.report import Row
from cnnbench.statistics import drift_correction, estimates
from cnnbench.statistics.measurement import Measurement
from cnnbench.statistics.robust import FEWEST_PROCESSES
from cnnbench.units import rounded

_LOCATION, _RATE, _ACHIEVED = "latency_location_s", "throughput_per_s", "achieved_flops_per_s"
TIER = "latency_tier"


def add(rows: Sequence[Row]) -> None:
    """Add to every row of a report the columns that follow from its latencies."""
    for row in rows:
        row.values |= _achieved(row)
    labels = dict.fromkeys(
        split(name)[1] for row in rows for name in row.values if _is_of(name, _LOCATION)
    )
    for label in labels:
        ranked = [
            (row, found) for row in rows if len(found := _ratios(row, label)) >= FEWEST_PROCESSES
        ]
        if len(ranked) < 2:
            continue
        tiers = estimates.tiers([found for _, found in ranked])
        for (row, _), tier in zip(ranked, tiers, strict=True):
            row.values[column(TIER, label)] = Measurement(tier)


def _achieved(row: Row) -> dict[str, Measurement]:
    """FLOPs of one image × images a second, with their interval, where both are known."""
    flops = row.read("flops").value
    if not flops:
        return {}
    return {
        column(_ACHIEVED, split(name)[1]): _times(flops, rate)
        for name, rate in row.values.items()
        if _is_of(name, _RATE) and rate.value is not None
    }


def _times(flops: float, rate: Measurement) -> Measurement:
    """A rate in images as one in FLOPs."""
    value, low, high = (
        None if end is None else flops * end for end in (rate.value, rate.low, rate.high)
    )
    samples = tuple(rounded(flops * sample) for sample in rate.samples)
    return replace(rate, value=value, low=low, high=high, samples=samples)


def _ratios(row: Row, label: str) -> tuple[float, ...]:
    """Location ÷ reference of every process that counts; nothing where none was timed beside."""
    locations, beside = (
        row.values.get(column(name, label), Measurement()).samples
        for name in (_LOCATION, "reference_s")
    )
    return drift_correction.ratios(locations, beside)


def ratios(row: Mapping[str, Any], label: str) -> tuple[float, ...]:
    """Location ÷ reference of every process that counts; nothing where none was timed beside."""
    locations, beside = (
        [
            float(part)
            for part in str(row.get(column(f"{name}_samples", label)) or "").split(";")
            if part
        ]
        for name in (_LOCATION, "reference_s")
    )
    return drift_correction.ratios(locations, beside)


def _is_of(name: str, metric: str) -> bool:
    return split(name)[0] == metric
