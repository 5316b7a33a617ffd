"""Summary of tracking records: means over seeds, with intervals over sequences and seeds.

HOTA, MOTA and IDF1 of several sequences are not means of those of each, so a record has their
values on resamples of the sequences; the same resamples for every seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean, variance
from typing import Any

from cnnbench.probes.probe import setting_of
from cnnbench.probes.summary import plain
from cnnbench.probes.tracking.settings import TrackingSetting
from cnnbench.record import Record, is_number
from cnnbench.statistics.measurement import CellStatus, Measurement
from cnnbench.statistics.robust import Z, t_quantile
from cnnbench.statistics.verdict import NOT_REPEATED, ONE_SEED, STABLE, Verdict

METRICS = ("hota", "mota", "idf1", "id_switches")
STEPS = 1_000_000
"""Integer that stands for 1 in the resamples of a record."""
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "hota": (0.0, 1.0),
    "mota": (-math.inf, 1.0),
    "idf1": (0.0, 1.0),
    "id_switches": (0.0, math.inf),
}


def are_sequences(found: Any) -> bool:
    """Return whether a detail of a record is a list of mappings with the scores of a sequence."""
    return isinstance(found, list) and all(
        isinstance(one, Mapping)
        and isinstance(one.get("name"), str)
        and all(is_number(one.get(metric)) for metric in METRICS)
        for one in found
    )


def are_replicates(found: Any) -> bool:
    """Return whether a detail of a record maps metrics to lists of whole numbers."""
    return isinstance(found, Mapping) and all(
        isinstance(values, list) and all(type(one) is int for one in values)
        for values in found.values()
    )


def summarise(records: Sequence[Record], status: CellStatus) -> dict[str, Measurement]:
    """Return every metric of one cell: scores as means with intervals, times as medians."""
    found = plain(records, status)
    for name in METRICS:
        if name in found:
            found[name] = _score(name, found[name], records)
    return found


def _score(name: str, plainly: Measurement, records: Sequence[Record]) -> Measurement:
    """Return the mean of a score over the seeds, with its 95 % interval.

    The error from the choice of sequences is common to all seeds: the variance is that of the
    seeds, divided by their number, plus that over the resamples, with Welch's degrees of freedom.
    With one seed, the interval covers the choice of sequences alone.
    """
    values = plainly.samples
    mean = round(fmean(values), 12)
    of_sequences = _over_resamples(name, records)
    if of_sequences is None:
        return replace(plainly, value=mean, low=None, high=None)
    count = len(values)
    of_seeds = variance(values) / count if count > 1 else 0.0
    total = of_seeds + of_sequences
    freedom = (count - 1) * (total / of_seeds) ** 2 if of_seeds > 0 else math.inf
    half = (float(t_quantile(freedom)) if freedom < 1e6 else Z) * math.sqrt(total)
    least, most = _BOUNDS[name]
    low, high = (round(min(max(mean + side, least), most), 12) for side in (-half, half))
    return replace(plainly, value=mean, low=low, high=high, verdict=_verdict(records))


def _over_resamples(name: str, records: Sequence[Record]) -> float | None:
    """Return the variance over the resamples of the mean over the seeds; None if unknown."""
    found = [record.details.get("replicates", {}).get(name, []) for record in records]
    length = len(found[0])
    if length < 2 or any(len(one) != length for one in found):
        return None
    sums = [sum(column) for column in zip(*found, strict=True)]
    total, squares = sum(sums), sum(one * one for one in sums)  # exact: whole numbers
    return (length * squares - total**2) / (length * (length - 1) * (len(found) * STEPS) ** 2)


def _verdict(records: Sequence[Record]) -> Verdict:
    setting = setting_of(records[-1])
    assert isinstance(setting, TrackingSetting)
    is_trained = setting.training is not None and not setting.weights
    if not is_trained:
        return NOT_REPEATED
    return STABLE if len(records) > 1 else ONE_SEED
