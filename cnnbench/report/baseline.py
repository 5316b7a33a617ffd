"""A table that the budgets of a test run are held against, or that they write.

Light to import: pytest loads it at every start.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class Baseline:
    """The table that ``--cnnbench-baseline`` names."""

    def __init__(self, file: Path | None, is_update: bool) -> None:
        self._file, self._is_update = file, is_update
        self._found: list[pd.DataFrame] = []

    def check(self, report: pd.DataFrame) -> Iterator[str]:
        """What got worse since the baseline; nothing where there is none or it is updated."""
        if self._file is None:
            return
        if self._is_update:
            self._found.append(report)
            return
        from cnnbench.report.compare import compare
        from cnnbench.store.tables import read_csv

        base = read_csv(self._file)
        if report["model"].iloc[0] not in set(base["model"]):
            warnings.warn(
                f"{report['model'].iloc[0]} is not in {self._file}", UserWarning, stacklevel=4
            )
            return
        for row in compare(base, report).regressions:
            note = f" ({row.note})" if row.note else ""
            yield f"{row.metric} was {row.show(row.base)}, is {row.show(row.new)}{note}"

    def write(self) -> None:
        """Put what was found into the file; its other rows stay."""
        if self._file is None or not self._found:
            return
        import pandas as pd

        from cnnbench.store.tables import read_csv, to_csv

        found = pd.concat(self._found).drop_duplicates(["model", "variant"], keep="last")
        if self._file.is_file():
            old = read_csv(self._file)
            is_kept = ~old["model"].isin(found["model"])
            found = pd.concat([old[is_kept], found])
        self._file.write_text(to_csv(found), encoding="utf-8")
