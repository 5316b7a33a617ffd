"""Formats of a report on stdout: ``cnnbench report RUN --format NAME``.

A format is a function from a run to text, and one line in `cnnbench.plugins.FORMATS`. Another
package adds one by an entry point of the group ``cnnbench.formats``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cnnbench import safe_json
from cnnbench.metrics import column, split
from cnnbench.report import layout, table
from cnnbench.report.sections import opening, sections
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
    """Return tables for a terminal, with the sections of the report unless metrics are chosen."""
    shown = table.as_text(run.measured, run.environment, width, metrics, run.machines)
    below = [] if metrics else sections(run)
    above = None if metrics else opening(run)
    first = [f"{above.as_text().lstrip()}\n"] if above else []
    return "".join([*first, shown, *(section.as_text() for section in below)])


def as_markdown(run: Run, metrics: Sequence[str] = (), width: int = 160) -> str:
    """Return a table for a README, with the sections of the report unless metrics are chosen."""
    shown = table.as_markdown(run.measured, run.environment, metrics, run.machines)
    below = [] if metrics else sections(run)
    above = None if metrics else opening(run)
    first = [f"{above.as_markdown().lstrip()}\n"] if above else []
    return "".join([*first, shown, *(section.as_markdown() for section in below)])


def as_csv(run: Run, metrics: Sequence[str] = (), width: int = 160) -> str:
    """Return the report as CSV; chosen metrics keep their companions, to be compared with."""
    return layout.about(metrics, run.measured).to_csv()


def as_json(run: Run, metrics: Sequence[str] = (), width: int = 160) -> str:
    """Return ``{environment, rows}``; a row is one flat object by the columns of ``report.csv``.

    Cells that are blank, samples, and statuses without a remark are left out.
    """
    report = layout.about(metrics, run.measured)
    rows = [_flat(row, report.numbers) for row in report]
    return safe_json.as_table({"environment": run.environment, "rows": rows}) + "\n"


def _flat(row: Row, columns: Sequence[str]) -> dict[str, str | float]:
    cells: dict[str, str | float] = {
        "model": row.model,
        "variant": row.variant,
        **row.facts,
        "environment": row.environment,
        **{name: cell for name, cell in row.others.items() if isinstance(cell, str)},
    }
    for name in columns:
        cells |= _measurement(name, row.read(name))
    return cells


def _measurement(name: str, found: Measurement) -> dict[str, str | float]:
    metric, label = split(name)
    cells: dict[str, str | float | None] = {
        name: found.value,
        column(f"{metric}_ci_low", label): found.low,
        column(f"{metric}_ci_high", label): found.high,
        column(f"{metric}_verdict", label): str(found.verdict) or None,
        column(f"{metric}_status", label): None if found.status.is_fine else str(found.status),
    }
    return {key: cell for key, cell in cells.items() if cell is not None}
