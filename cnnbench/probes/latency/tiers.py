"""What follows from the latencies of a report's rows: their tiers, and the FLOP/s achieved.

Computed every time a table is made, never stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnbench.metrics import COMPANIONS, column, split
from cnnbench.record import Record
from cnnbench.statistics import drift_correction, estimates
from cnnbench.statistics.robust import FEWEST_PROCESSES
from cnnbench.units import written

_LOCATION, _RATE, _ACHIEVED = "latency_location_s", "throughput_per_s", "achieved_flops_per_s"
TIER = "latency_tier"


def columns(
    rows: Sequence[Mapping[str, Any]], records: Sequence[Sequence[Record]]
) -> list[dict[str, Any]]:
    """For every row of a report, given as column -> cell, the columns to add to it."""
    found = [_achieved(row) for row in rows]
    labels = dict.fromkeys(
        split(name)[1] for row in rows for name in row if _is_of(name, _LOCATION)
    )
    for label in labels:
        every = {place: ratios(row, label) for place, row in enumerate(rows)}
        ranked = {p: one for p, one in every.items() if len(one) >= FEWEST_PROCESSES}
        if len(ranked) < 2:
            continue
        for place, tier in zip(ranked, estimates.tiers(list(ranked.values())), strict=True):
            found[place][column(TIER, label)] = tier
    return found


def _achieved(row: Mapping[str, Any]) -> dict[str, Any]:
    """FLOPs of one image × images a second, with their interval, where both are known."""
    flops = row.get("flops")
    if not flops:
        return {}
    added: dict[str, Any] = {}
    for name, rate in row.items():
        if _is_of(name, _RATE) and rate is not None:
            label = split(name)[1]
            added[column(_ACHIEVED, label)] = flops * rate
            for end in COMPANIONS:
                of_rate = row.get(column(_RATE + end, label))
                if of_rate is not None:
                    added[column(_ACHIEVED + end, label)] = _times(flops, of_rate, end)
    return added


def _times(flops: float, of_rate: Any, end: str) -> Any:
    """A companion of a rate in images as one in FLOPs: numbers are scaled, words stay."""
    if end == "_samples":
        return ";".join(written(flops * float(one)) for one in of_rate.split(";") if one)
    return flops * of_rate if end in ("_ci_low", "_ci_high") else of_rate


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
