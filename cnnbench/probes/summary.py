"""Summary of a metric over the repeats of one cell, and what all probes share in making it.

Computed from records every time a table is made; never stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from cnnbench.record import PREPARE, Record
from cnnbench.statistics import estimates


@dataclass(frozen=True)
class Summary:
    """One metric of one cell.

    Attributes:
        value: in base units, or None where there is none.
        status: ``ok``, or why there is no value, or what else went wrong.
        ci_low, ci_high: the 95 % interval over processes or seeds, where one can be given.
        verdict: ``stable``, ``unstable: why``, or empty where nothing was repeated.
        samples: one value a process or seed, in the order of the repeats.
    """

    value: float | None
    status: str = "ok"
    ci_low: float | None = None
    ci_high: float | None = None
    verdict: str = ""
    samples: tuple[float, ...] = field(default=())


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


def status_of(records: Sequence[Record]) -> str:
    """Return ``ok``, or status and reason of the latest failure that nothing resolved."""
    bad = unresolved_failures(records)
    if not bad:
        return "ok" if records else "not measured"
    return f"{bad[-1].status}: {bad[-1].reason}" if bad[-1].reason else bad[-1].status


def samples_of(records: Sequence[Record]) -> dict[str, tuple[float, ...]]:
    """Return metric -> one value a record; a metric that some records lack has fewer."""
    names = dict.fromkeys(name for record in records for name in record.metrics)
    return {
        name: tuple(value for r in records if (value := r.metrics.get(name)) is not None)
        for name in names
    }


def plain(records: Sequence[Record], status: str) -> dict[str, Summary]:
    """Return the median of every metric; from two repeats on with its interval."""
    summaries = {}
    for name, values in samples_of(records).items():
        if not values:
            continue
        if len(values) == 1 or min(values) <= 0:
            summaries[name] = Summary(median(values), status, samples=values)
        else:
            interval = estimates.estimate(values)
            summaries[name] = Summary(
                middle := median(values),
                status,
                min(interval.low, middle),
                max(interval.high, middle),
                samples=values,
            )
    return summaries
