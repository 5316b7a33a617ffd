"""Networks with the details of their evaluations, for sections on one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from cnnbench.metrics import split
from cnnbench.probes.probe import setting_of
from cnnbench.record import Record, model_title
from cnnbench.results.report import Report
from cnnbench.units import number


@dataclass(frozen=True)
class EvaluatedNetwork:
    """One network in one setting.

    Attributes:
        name, label: name of the network, label of the setting.
        records: one per seed.
    """

    name: str
    label: str
    records: tuple[Record, ...]

    def mean(self, *path: str | int) -> float | None:
        """Return the mean over the seeds of a number in the details; None if no record has it."""
        found = (_at(record.details, path) for record in self.records)
        known = [value for one in found if (value := number(one)) is not None]
        return fmean(known) if known else None

    @property
    def classes(self) -> list[str]:
        names = self.records[-1].details.get("classes")
        return [str(name) for name in names] if isinstance(names, list) else []


def evaluated(records: Sequence[Record], detail: str, metric: str) -> list[EvaluatedNetwork]:
    """Return the networks whose records have a detail, a mapping, in the journal's order.

    Args:
        records: of a run.
        detail: its name.
        metric: a metric of the evaluations, whose label is that of the setting.
    """
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record.status == "ok" and isinstance(record.details.get(detail), Mapping):
            title = model_title(record.model, record.variant)
            place = title, setting_of(record).label_for(metric)
            found.setdefault(place, []).append(record)
    return [EvaluatedNetwork(*place, tuple(of)) for place, of in found.items()]


def settings_with(report: Report, metric: str) -> list[str]:
    """Return the labels of the settings in which a table has a metric."""
    return [split(name)[1] for name in report.numbers if split(name)[0] == metric]


def most_frequent(counts: Mapping[int, float], most: int) -> list[int]:
    """Return the places of the classes that occur, at most the most frequent, in order."""
    known = [place for place, count in counts.items() if count]
    return sorted(sorted(known, key=lambda place: -counts[place])[:most])


def _at(value: Any, path: Sequence[str | int]) -> Any:
    """Return the value at a path in JSON; None if there is none."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, Mapping) else None
        else:
            is_there = isinstance(value, list) and step < len(value)
            value = value[step] if is_there else None
    return None if isinstance(value, bool) else value
