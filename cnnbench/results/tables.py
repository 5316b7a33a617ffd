"""Tables of a journal: ``records``, one row per record and metric, and ``report``, per network.

Intervals and verdicts are computed here, from the records, every time a table is made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from cnnbench.errors import UserError
from cnnbench.files import check_path
from cnnbench.metrics import METRICS, column
from cnnbench.plugins import FORMATS, PROBES
from cnnbench.probes.probe import probe_of, setting_of
from cnnbench.record import PREPARE, SCHEMA_VERSION, Record, standing
from cnnbench.results import journal, machines, run_files, suite_order
from cnnbench.results.report import Report
from cnnbench.row import Row
from cnnbench.statistics.measurement import CellStatus, Measurement
from cnnbench.text import shape_text
from cnnbench.units import rounded

ROW = ("model", "variant", "input_shape", "classes")
_TIDY = (
    *("key", "attempt", *ROW, "probe", "setting", "repeat", "status", "reason"),
    *("environment", "started", "duration_s", "metric", "value"),
)


@dataclass(frozen=True, repr=False)
class Run:
    """A run as tables.

    Attributes:
        path: the run's folder, or the CSV file.
        measured: one row per model and variant, of measurements.
        raw: the records of the journal (none where only a CSV was read).
        environment: ``environment.json``, or an empty mapping.
        other_environments: likewise by id, those in which single jobs ran.
    """

    path: Path
    measured: Report
    raw: Sequence[Record] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    other_environments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __str__(self) -> str:
        return FORMATS["text"](self).rstrip("\n")

    def __repr__(self) -> str:
        return f"<Run {self.path}: {self.measured!r}>"

    def _repr_html_(self) -> str:
        return self.measured._repr_html_()

    @cached_property
    def machines(self) -> dict[str, Mapping[str, Any]]:
        """The end of a column's setting -> the environment of its machine, if there are several."""
        known = {**self.other_environments, str(self.environment.get("id")): self.environment}
        found = machines.labels(self.raw, known)
        return {label: known.get(of, {}) for of, label in found.items()}

    @cached_property
    def report(self) -> pd.DataFrame:
        """`measured` as a pandas table, as ``report.csv`` has it."""
        return self.measured.to_frame()

    @cached_property
    def records(self) -> pd.DataFrame:
        """One row per record and metric."""
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
        own, others = run_files.environment(folder), run_files.other_environments(folder)
        ordered = suite_order.sort(records, folder)
        found = measured(ordered, {**others, str(own.get("id")): own})
        return Run(folder, found, records, own, others)
    if not check_path(path.exists):
        raise UserError("no such run", str(path), "a run's folder or a report.csv is expected")
    return Run(path, Report.from_csv(path))


def tidy(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row per record and metric, in the journal's order; one if it has no metrics."""
    columns: dict[str, list[Any]] = {name: [] for name in _TIDY}
    for record in records:
        words = setting_of(record)
        texts = {
            "input_shape": shape_text(record.input_shape),
            "setting": json.dumps(record.setting, sort_keys=True),
            "repeat": str(record.repeat),
        }
        shared = [texts[name] if name in texts else getattr(record, name) for name in _TIDY[:-2]]
        for metric, value in record.metrics.items() or [("", None)]:
            name = column(metric, words.label_for(metric)) if metric else ""
            for values, cell in zip(columns.values(), (*shared, name, value), strict=True):
                values.append(cell)
    return pd.DataFrame(columns)


def measured(
    records: Sequence[Record], environments: Mapping[str, Mapping[str, Any]] | None = None
) -> Report:
    """Return one row per model, variant, input shape and classes, one column per metric@setting.

    Numbers of several machines have columns of their own if ``environments``, the descriptions by
    id, are given (`machines.labels`); otherwise they are summarised together. Rows are in the order
    of the first record, those of a model together. Numbers are rounded as `to_csv` writes them, so
    that conclusions from the journal and from the CSV are the same.
    """
    of_model: dict[str, dict[tuple[Any, ...], list[Record]]] = {}
    records = standing(records)
    for record in records:
        network = (record.model, record.variant, record.input_shape, record.classes)
        of_model.setdefault(record.model, {}).setdefault(network, []).append(record)
    groups = [group for found in of_model.values() for group in found.values()]
    hosts = {} if environments is None else machines.labels(records, environments)
    rows = [_row(group, hosts) for group in groups]
    for probe in PROBES.values():
        for row, added in zip(rows, probe.across_rows(rows, groups), strict=True):
            for name, cell in added.items():
                if isinstance(cell, Measurement):
                    row.values[name] = cell
                else:
                    row.others[name] = cell
    for row in rows:
        row.values = {name: _rounded(one) for name, one in row.values.items()}
    return Report(rows)


def report(records: Sequence[Record]) -> pd.DataFrame:
    """Return the report of ``records`` as a pandas table, as `Run.report` is of a run."""
    return measured(records).to_frame()


def _row(records: Sequence[Record], hosts: Mapping[str, str]) -> Row:
    last = records[-1]
    facts = {"input_shape": shape_text(last.input_shape), "classes": str(last.classes)}
    facts = {name: fact for name, fact in facts.items() if fact}
    others = {"schema_version": SCHEMA_VERSION}
    measuring = next(filter(machines.is_measured_there, reversed(records)), last)
    row = Row(last.model, last.variant, facts, measuring.environment, others=others)
    _fill(row, records, hosts)
    return row


def _fill(row: Row, records: Sequence[Record], hosts: Mapping[str, str]) -> None:
    """Add all columns of one row; the probe with the highest precedence decides."""
    by_cell: dict[tuple[str, str], list[Record]] = {}
    for record in _once(records):
        cell = f"{record.probe} {json.dumps(record.setting, sort_keys=True)}"
        host = record.environment if hosts and setting_of(record).depends_on_machine else ""
        by_cell.setdefault((cell, host), []).append(record)
    for (_, host), group in sorted(by_cell.items(), key=_precedence):
        setting, label = setting_of(group[0]), hosts.get(host, "")
        only_prepared = bool(host) and all(record.repeat == PREPARE for record in group)
        for metric, found in probe_of(group[0]).summarise(setting, group).items():
            if only_prepared and found.value is None:
                continue
            own = setting.label_for(metric)
            name = column(metric, f"{own}/{label}" if own and label else own)
            if row.get(name).value is None:
                found = replace(
                    found,
                    images=setting.judged_images(metric),
                    environment=host or row.environment,
                )
                row.values[name] = _shown(metric, found)
                axes = setting.axes_for(metric)
                row.axes[name] = {**axes, machines.AXIS: label} if axes and label else axes


def _precedence(cell: tuple[object, Sequence[Record]]) -> int:
    return -probe_of(cell[1][0]).precedence


def _once(records: Sequence[Record]) -> Iterator[Record]:
    """Yield the records without further successes of a job whose numbers no machine changes.

    Only merged runs have these, one for each environment.
    """
    done: set[str] = set()
    for record in records:
        is_again = record.key in done and not setting_of(record).depends_on_machine
        if not is_again:
            yield record
        if record.status == "ok":
            done.add(record.key)


def _shown(metric: str, found: Measurement) -> Measurement:
    """Return ``found`` as a table has it: without samples if no setting changes the metric."""
    if metric in METRICS and METRICS[metric].depends_on == "setting":
        return replace(found, samples=tuple(map(rounded, found.samples)))
    status = CellStatus() if found.value is not None else found.status
    return Measurement(found.value, status, verdict=found.verdict)


def _rounded(found: Measurement) -> Measurement:
    ends = (found.value, found.low, found.high)
    value, low, high = (None if end is None else rounded(end) for end in ends)
    return replace(found, value=value, low=low, high=high)


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
        raise UserError(
            "contains several runs whose names do not show the newest; name one of them",
            str(folder),
            names,
        )
    return runs[-1]
