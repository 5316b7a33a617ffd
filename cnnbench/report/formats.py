"""Formats of a report on stdout: ``cnnbench report RUN --format NAME``.

A format is a function from a run to text, and one line in `cnnbench.plugins.FORMATS`. Another
package adds one by an entry point of the group ``cnnbench.formats``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from cnnbench import safe_json
from cnnbench.report import layout, table
from cnnbench.report.sections import sections
from cnnbench.results.tables import Run
from cnnbench.row import Row
from cnnbench.statistics.measurement import Measurement


class Format(Protocol):
    """A way of writing a report."""

    def __call__(self, run: Run, metrics: Sequence[str] = (), width: int = 160) -> str:
        """Return the report of ``run`` as text that ends a line.

        Args:
            run: what to show.
            metrics: only these, as `layout.columns` takes them; all by default.
            width: characters of a line, where the format has lines for people.

        Raises:
            UserError: a metric that the report does not have.
        """


def as_text(run: Run, metrics: Sequence[str] = (), width: int = 160) -> str:
    """Return tables for a terminal, and the sections below them unless metrics are chosen."""
    shown = table.as_text(run.measured, run.environment, width, metrics)
    below = [] if metrics else sections(run)
    return "".join([shown, *(section.as_text() for section in below)])


def as_markdown(run: Run, metrics: Sequence[str] = (), width: int = 160) -> str:
    """Return a table for a README, and the sections below it unless metrics are chosen."""
    shown = table.as_markdown(run.measured, run.environment, metrics)
    below = [] if metrics else sections(run)
    return "".join([shown, *(section.as_markdown() for section in below)])


def as_csv(run: Run, metrics: Sequence[str] = (), width: int = 160) -> str:
    """Return the report as CSV; chosen metrics keep their companions, to be compared with."""
    return layout.about(metrics, run.measured).to_csv()


def as_json(run: Run, metrics: Sequence[str] = (), width: int = 160) -> str:
    """Return ``{environment, rows: [{model, variant, …, metrics: {column: {value, …}}}]}``."""
    report = layout.about(metrics, run.measured)
    rows = [_row(row, report.numbers) for row in report]
    return safe_json.as_table({"environment": run.environment, "rows": rows}) + "\n"


def _row(row: Row, columns: Sequence[str]) -> dict[str, Any]:
    found = {name: row.read(name) for name in columns}
    return {
        "model": row.model,
        "variant": row.variant,
        **row.facts,
        "environment": row.environment,
        **{name: cell for name, cell in row.others.items() if isinstance(cell, str)},
        "metrics": {
            name: _measurement(one)
            for name, one in found.items()
            if one.value is not None or one.status.is_known
        },
    }


def _measurement(found: Measurement) -> dict[str, Any]:
    cells: dict[str, Any] = {"value": found.value}
    if found.has_interval:
        cells["interval"] = [found.low, found.high]
    if found.verdict.is_known:
        cells["verdict"] = str(found.verdict)
    if not found.status.is_fine:
        cells["status"] = str(found.status)
    if found.samples:
        cells["samples"] = list(found.samples)
    return cells
