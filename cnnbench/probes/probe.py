"""Description of a probe: everything except its heavy half, which only workers import.

A probe is a folder: ``__init__`` describes it with a `Probe`, ``settings`` defines its entry in a
suite and the setting of a cell, ``run`` measures, and ``summary`` turns records into numbers. A
small one is a file that holds all of these.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import ValidationError

from cnnbench.metrics import Metric, column
from cnnbench.models.handle import ModelHandle
from cnnbench.plugins import PROBES
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.settings import Setting, Spec
from cnnbench.probes.summary import plain, status_of
from cnnbench.record import PREPARE, Record
from cnnbench.row import Row
from cnnbench.statistics.measurement import OK, CellStatus, Measurement
from cnnbench.text import pydantic_message

Summarise = Callable[[Sequence[Record], CellStatus], dict[str, Measurement]]
Columns = Mapping[str, Measurement] | Mapping[str, str]
AcrossRows = Callable[[Sequence[Row], Sequence[Sequence[Record]]], Sequence[Columns]]
Behind = Callable[[str, int, Sequence[Sequence[Record]]], Sequence[float] | None]


class Measuring(Protocol):
    """The heavy half of a probe: a module with these functions."""

    def run(self, model: ModelHandle, setting: Any, context: Context) -> ProbeResult:
        """Measure one repeat."""

    def prepare(self, model: ModelHandle, setting: Any, context: Context) -> ProbeResult:
        """Make what the repeats of a cell need; called if its setting ``needs_prepare``."""


@dataclass(frozen=True)
class Probe:
    """One way of measuring.

    Attributes:
        name: as written in suites and records.
        spec: schema of its entry in a suite.
        setting: schema of one cell.
        run: name of the module of the heavy half, a `Measuring`.
        metrics: every metric that it reports, in the order of a report's columns.
        summary: summarises the successful repeats of a cell, given the status of the cell.
        repeat: noun for one repeat of a cell.
        counts_only: the model is not run, so that its input shape may stay unknown.
        measures_devices: its numbers of the machine can be those of `Context.device`.
        precedence: where two probes fill one column of a row, the higher one's number is taken.
        is_precise: whether repeats so far are as precise as the suite wants; by default never.
        across_rows: columns that need several rows of a report: tiers, comparisons. A number is
            given as a measurement, anything else as text.
        behind: ``(metric, best, records of each cell) -> p, Holm-corrected, that each cell is only
            by chance worse than the best``; None where the numbers in the table are compared.
        verdicts: those of them that are a verdict on a row in words, shown below a table.
        details: checks of those details of its records that tables and pages are computed from;
            a journal may come from anywhere.
    """

    name: str
    spec: type[Spec]
    setting: type[Setting]
    run: str
    metrics: tuple[Metric, ...]
    summary: Summarise = plain
    repeat: str = "round"
    counts_only: bool = False
    measures_devices: bool = False
    precedence: int = 0
    is_precise: Callable[[Sequence[Record], float], bool] = lambda records, precision: False
    across_rows: AcrossRows = lambda rows, records: [{} for _ in rows]
    behind: Behind = lambda metric, best, cells: None
    verdicts: tuple[str, ...] = ()
    details: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict)

    def measuring(self) -> Measuring:
        """Import and return the heavy half."""
        module: Any = importlib.import_module(self.run)
        found: Measuring = module
        return found

    def read_setting(self, values: Mapping[str, Any]) -> Setting:
        """Return a record's setting as an object; missing fields get their default."""
        return self.setting.model_validate(dict(values))

    def columns(self, setting: Setting) -> list[str]:
        """Return the columns that a cell with this setting may fill."""
        return [column(metric, setting.label_for(metric)) for metric in setting.metrics()]

    def summarise(self, setting: Setting, records: Sequence[Record]) -> dict[str, Measurement]:
        """Return every metric of one cell, from all its records (retries, ``prepare`` included)."""
        ok = [record for record in records if record.status == "ok"]
        good = sorted((r for r in ok if r.repeat != PREPARE), key=lambda record: record.repeat)
        status = status_of(records)
        summaries = self.summary(good, status) if good else {}
        for record in ok:
            if record.repeat == PREPARE:
                summaries |= {
                    metric: Measurement(value, OK, samples=(value,))
                    for metric, value in record.metrics.items()
                    if metric not in summaries and value is not None
                }
        if not good:
            summaries |= {metric: Measurement(None, status) for metric in setting.primary_metrics()}
        return summaries


def probe_of(record: Record) -> Probe:
    """Return the probe of a record."""
    return PROBES[record.probe]


def setting_of(record: Record) -> Setting:
    """Return the setting of a record as an object.

    Raises:
        ValueError: the setting does not fit the schema of its probe.
    """
    try:
        return probe_of(record).read_setting(record.setting)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ValueError(f"setting {where}: {pydantic_message(error)}") from None


def check(record: Record) -> None:
    """Make sure that the setting and the details of a record are what its probe reads.

    Raises:
        ValueError: one of them is not.
    """
    setting_of(record)
    record.check_details(probe_of(record).details)
