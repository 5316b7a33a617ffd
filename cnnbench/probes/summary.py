"""Summaries of a cell's records that all probes share.

Computed from records every time a table is made; never stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from cnnbench.record import PREPARE, Record
from cnnbench.statistics import estimates
from cnnbench.statistics.measurement import OK, CellStatus, Measurement, StatusKind


def unresolved_failures(records: Iterable[Record]) -> list[Record]:
    """Return the latest record of each job of a cell that did not succeed.

    Args:
        records: of one cell, in the journal's order.

    A later ``ok`` of the same job resolves a failure. A ``prepare`` that is done again because
    its files were lost leaves no second record; any successful repeat resolves it, as repeats
    cannot run without.
    """
    bad: dict[str, Record] = {}
    for record in records:
        bad.pop(record.key, None)
        if record.status != "ok":
            bad[record.key] = record
        elif record.repeat != PREPARE:
            bad = {key: other for key, other in bad.items() if other.repeat != PREPARE}
    return list(bad.values())


def status_of(records: Sequence[Record]) -> CellStatus:
    """Return that all went well, or how the latest failure ended that nothing resolved."""
    bad = unresolved_failures(records)
    if not bad:
        return OK if records else CellStatus.note("not measured")
    kind = StatusKind.LEFT_OUT if bad[-1].is_left_out else StatusKind(bad[-1].status)
    return CellStatus(kind, bad[-1].reason)


def samples_of(records: Sequence[Record]) -> dict[str, tuple[float, ...]]:
    """Return metric -> one value a record; a metric that some records lack has fewer."""
    names = dict.fromkeys(name for record in records for name in record.metrics)
    return {
        name: tuple(value for r in records if (value := r.metrics.get(name)) is not None)
        for name in names
    }


def plain(records: Sequence[Record], status: CellStatus) -> dict[str, Measurement]:
    """Return the median of every metric; from two repeats on with its interval."""
    summaries = {}
    for name, values in samples_of(records).items():
        if not values:
            continue
        if len(values) == 1 or min(values) <= 0:
            summaries[name] = Measurement(median(values), status, samples=values)
        else:
            interval = estimates.estimate(values)
            summaries[name] = Measurement(
                middle := median(values),
                status,
                min(interval.low, middle),
                max(interval.high, middle),
                samples=values,
            )
    return summaries
