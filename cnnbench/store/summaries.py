"""The records of one cell -> one number a metric, with its interval and its verdict.

Nothing of this is ever stored: it follows from the records every time a table is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

from cnnbench.core.record import PREPARE, Record
from cnnbench.core.settings import Setting
from cnnbench.store import statistics


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


def summarise(setting: Setting, records: Sequence[Record]) -> dict[str, Summary]:
    """Every metric of one cell, from all records of it (retries and ``prepare`` included)."""
    good = sorted(
        (r for r in records if r.status == "ok" and r.repeat != PREPARE), key=lambda r: r.repeat
    )
    made = [r for r in records if r.status == "ok" and r.repeat == PREPARE]
    status = _status(records)
    summaries = _BY_PROBE.get(setting.probe, _plain)(good, status) if good else {}
    for record in made:
        summaries |= {
            metric: Summary(value, samples=(value,))
            for metric, value in record.metrics.items()
            if metric not in summaries and value is not None
        }
    if not good:
        summaries |= {metric: Summary(None, status) for metric in setting.primary_metrics()}
    return summaries


def _status(records: Sequence[Record]) -> str:
    """``ok``, or the last answer of a job that never became ok."""
    ok = {record.key for record in records if record.status == "ok"}
    bad = [record for record in records if record.key not in ok]
    if not bad:
        return "ok" if ok else "not measured"
    return f"{bad[-1].status}: {bad[-1].reason}" if bad[-1].reason else bad[-1].status


def _samples(records: Sequence[Record]) -> dict[str, tuple[float, ...]]:
    """metric -> one value a record; a metric that some records lack has fewer."""
    names = dict.fromkeys(name for record in records for name in record.metrics)
    return {
        name: tuple(value for r in records if (value := r.metrics.get(name)) is not None)
        for name in names
    }


def _plain(records: Sequence[Record], status: str) -> dict[str, Summary]:
    """What is counted, or measured without statistics of its own: the median and the range."""
    return {
        name: Summary(median(values), status, samples=values)
        for name, values in _samples(records).items()
        if values
    }


_BY_PROBE: dict[str, Callable[[Sequence[Record], str], dict[str, Summary]]] = {}
