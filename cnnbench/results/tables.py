"""Journal <-> tables. ``records`` is tidy, ``report`` has a row a network; both are pandas.

Intervals and verdicts are computed here, from the records, every time a table is made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from cnnbench.errors import UserError
from cnnbench.files import check_path
from cnnbench.metrics import METRICS, column, split
from cnnbench.plugins import PROBES
from cnnbench.probes.probe import probe_of, setting_of
from cnnbench.probes.summary import Summary
from cnnbench.record import SCHEMA_VERSION, Record
from cnnbench.results import environment_facts, journal
from cnnbench.results.csv_files import read_csv
from cnnbench.units import rounded, written

ROW = ("model", "variant", "input_shape", "classes")
_LEADING = (*ROW, "environment", "schema_version")
_TIDY = (
    *("key", "attempt", *ROW, "probe", "setting", "repeat", "status", "reason"),
    *("environment", "started", "duration_s", "metric", "value"),
)


@dataclass(frozen=True)
class Run:
    """A run as tables.

    Attributes:
        path: the run's folder, or the CSV file.
        report: a row a model and variant.
        raw: the records of the journal (none where only a CSV was read).
        environment: ``environment.json``, or an empty mapping.
    """

    path: Path
    report: pd.DataFrame
    raw: Sequence[Record] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def records(self) -> pd.DataFrame:
        """A row a record and metric."""
        return tidy(self.raw)


def load(path: Path | str) -> Run:
    """Read a run: its folder, a suite's folder (the newest run in it), or a ``report.csv``.

    Raises:
        UserError: nothing there, or not a run.
    """
    path = Path(path)
    if check_path(path.is_dir):
        folder = _run_in(path)
        records = journal.read(folder / journal.FILE_NAME)[1]
        return Run(folder, report(records), records, environment_facts.read(folder))
    if not check_path(path.exists):
        raise UserError("no such run", str(path), "a run's folder or a report.csv is expected")
    return Run(path, read_csv(path))


def tidy(records: Iterable[Record]) -> pd.DataFrame:
    """A row a record and metric, in the order of the journal; a record without has one row."""
    columns: dict[str, list[Any]] = {name: [] for name in _TIDY}
    for record in records:
        setting = setting_of(record)
        shared = (
            record.key,
            record.attempt,
            record.model,
            record.variant,
            _shape(record.input_shape),
            record.classes,
            record.probe,
            json.dumps(record.setting, sort_keys=True),
            str(record.repeat),
            record.status,
            record.reason,
            record.environment,
            record.started,
            record.duration_s,
        )
        for metric, value in record.metrics.items() or [("", None)]:
            name = column(metric, setting.label_for(metric)) if metric else ""
            for values, cell in zip(columns.values(), (*shared, name, value), strict=True):
                values.append(cell)
    return pd.DataFrame(columns)


def report(records: Iterable[Record]) -> pd.DataFrame:
    """A row a model and variant at its own input shape and classes, a column a metric@setting.

    In the order in which they were first recorded, but the rows of a model together. Numbers are
    rounded as `to_csv` writes them, so that whatever is shown or decided is the same from both.
    """
    of_model: dict[str, dict[tuple[Any, ...], list[Record]]] = {}
    for record in records:
        row = (record.model, record.variant, _shape(record.input_shape), record.classes)
        of_model.setdefault(record.model, {}).setdefault(row, []).append(record)
    by_row = {row: group for found in of_model.values() for row, group in found.items()}
    rows = [
        dict(zip(ROW, row, strict=True))
        | {"environment": group[-1].environment, "schema_version": SCHEMA_VERSION}
        | _values(group)
        for row, group in by_row.items()
    ]
    groups = list(by_row.values())
    for probe in PROBES.values():
        for values, added in zip(rows, probe.across_rows(rows, groups), strict=True):
            values |= added
    rows = [{name: _rounded(cell) for name, cell in values.items()} for values in rows]
    frame = pd.DataFrame(rows, columns=list(_LEADING) if not rows else None)
    return frame[[*_LEADING, *sorted(set(frame.columns) - set(_LEADING), key=_column_order(frame))]]


def _values(records: list[Record]) -> dict[str, Any]:
    """All columns of one row."""
    by_cell: dict[str, list[Record]] = {}
    for record in records:
        cell = f"{record.probe} {json.dumps(record.setting, sort_keys=True)}"
        by_cell.setdefault(cell, []).append(record)
    values: dict[str, Any] = {}
    for group in sorted(by_cell.values(), key=lambda group: -probe_of(group[0]).precedence):
        setting = setting_of(group[0])
        for metric, summary in probe_of(group[0]).summarise(setting, group).items():
            _put(values, metric, setting.label_for(metric), summary)
    return values


def _put(values: dict[str, Any], metric: str, label: str, summary: Summary) -> None:
    """One summary as columns; a number that another cell already gave is not overwritten."""
    name = column(metric, label)
    if values.get(name) is not None:
        return
    values[name] = summary.value
    if summary.value is None or (metric in METRICS and METRICS[metric].depends_on == "setting"):
        values[column(f"{metric}_status", label)] = summary.status
    else:
        values.pop(column(f"{metric}_status", label), None)
    if summary.verdict:  # of counts, those that are a bound
        values[column(f"{metric}_verdict", label)] = summary.verdict
    if metric in METRICS and METRICS[metric].depends_on == "setting":
        values[column(f"{metric}_ci_low", label)] = summary.ci_low
        values[column(f"{metric}_ci_high", label)] = summary.ci_high
        values[column(f"{metric}_verdict", label)] = summary.verdict
        values[column(f"{metric}_samples", label)] = ";".join(map(written, summary.samples))


def _column_order(frame: pd.DataFrame) -> Any:
    """Metrics in the registry's order, settings as they came, companions behind their metric."""
    order = list(METRICS)
    labels = list(dict.fromkeys(split(name)[1] for name in frame.columns))

    def place(name: str) -> tuple[int, int, str]:
        metric, label = split(name)
        owner = max((m for m in order if metric.startswith(m)), key=len, default=metric)
        rank = order.index(owner) if owner in order else len(order)
        return rank, labels.index(label), metric[len(owner) :]

    return place


def _run_in(folder: Path) -> Path:
    if (folder / journal.FILE_NAME).exists():
        return folder
    runs = journal.runs(folder)
    if not runs:
        raise UserError(
            f"no {journal.FILE_NAME} in it", str(folder), "a run's or a suite's folder is expected"
        )
    if journal.time_of(runs[-1]) is None and len(runs) > 1:
        names = ", ".join(run.name for run in runs)
        raise UserError("several runs, and no name says which is the newest", str(folder), names)
    return runs[-1]


def _shape(shape: Iterable[int]) -> str:
    return "x".join(str(size) for size in shape)


def _rounded(cell: Any) -> Any:
    return rounded(cell) if isinstance(cell, float) else cell
