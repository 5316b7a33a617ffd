"""Baseline table of a test run: budgets are compared with it, or written to it.

Light to import: pytest loads it at every start.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cnnbench.errors import UserError
from cnnbench.files import replace_text
from cnnbench.text import plural

if TYPE_CHECKING:
    import pandas as pd

    from cnnbench.results.report import Report
    from cnnbench.row import Row


class Baseline:
    """The table that ``--cnnbench-baseline`` names.

    Attributes:
        is_update: the table is written instead of compared with.
    """

    def __init__(self, file: Path | None, is_update: bool) -> None:
        """Read the table that there is.

        Raises:
            UserError: it is damaged or missing, or its folder is missing.
        """
        self._file, self.is_update = file, is_update
        self._base: Report | None = None
        self._found: dict[str, list[str]] = {}
        if file is None:
            return
        if file.is_file():
            from cnnbench.results.report import Report

            self._base = Report.from_csv(file)
        elif not is_update:
            raise UserError(f"{file} does not exist; --cnnbench-update-baseline creates it")
        elif not file.parent.is_dir():
            raise UserError(f"the folder {file.parent} does not exist")

    @property
    def is_given(self) -> bool:
        """True if a table is compared with, or written."""
        return self._file is not None

    def check(self, report: Report | pd.DataFrame) -> Iterator[str]:
        """Yield regressions from the baseline; nothing without one, or if it is updated."""
        if self.is_update or self._base is None:
            return
        from cnnbench.results.report import Report
        from cnnbench.selection.compare import compare

        report = Report.of(report)
        model = report.rows[0].model
        if model not in {row.model for row in self._base}:
            warnings.warn(f"{model} is not in {self._file}", UserWarning, stacklevel=4)
            return
        found = compare(self._base, report)
        for row in found.regressions:
            note = f" ({row.note})" if row.note else ""
            yield f"{row.metric} was {row.show(row.base)}, is {row.show(row.new)}{note}"
        # A test need not measure everything in the baseline.
        unverified = [row for row in found.rows if not row.is_verified]
        counts = Counter((r.name, r.verdict) for r in unverified if r.verdict != "missing in new")
        for (name, verdict), count in counts.items():
            words = f"{name}: {plural(count, 'number')} not compared with {self._file}"
            warnings.warn(f"{words}: {verdict}", UserWarning, stacklevel=4)

    def add(self, test: str, reports: Sequence[str]) -> None:
        """Add the reports (CSV) of the test with that id, to be written."""
        self._found[test] = list(reports)

    def write(self) -> None:
        """Merge the new reports into the file; other rows, and other numbers of a row, are kept.

        In the order of the tests' ids: the file is the same in whichever order they ran.
        """
        if self._file is None or not self._found:
            return
        from cnnbench.results.merge import merge
        from cnnbench.results.report import Report

        texts = (text for test in sorted(self._found) for text in self._found[test])
        found = [Report.from_csv(self._file, text) for text in texts]
        old = [] if self._base is None else [_without_stale(self._base, merge(found)[0])]
        table, _ = merge([*old, *found])
        replace_text(self._file, table.to_csv())


def _without_stale(base: Report, found: Report) -> Report:
    """Return ``base`` without networks that changed, or were measured elsewhere."""
    from cnnbench.results.report import Report

    def identity(row: Row) -> tuple[object, ...]:
        return row.model, row.variant, row.facts, row.environment

    names = {(row.model, row.variant) for row in found}
    identities = [identity(row) for row in found]
    kept = [
        row for row in base if (row.model, row.variant) not in names or identity(row) in identities
    ]
    return Report(kept, base.columns)
