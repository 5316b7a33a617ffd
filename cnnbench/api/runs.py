"""A run as Python and notebooks use it: with the table and the chart of its report."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cnnbench.report import layout
from cnnbench.results import tables

if TYPE_CHECKING:
    import altair as alt


class Run(tables.Run):
    """A run as tables and charts; a notebook shows it as a table.

    Attributes:
        path: the run's folder, or the CSV file.
        measured: one row per model and variant, of measurements.
        raw: the records of the journal (none where only a CSV was read).
        environment: ``environment.json``, or an empty mapping.
        other_environments: likewise by id, those in which single jobs ran.
    """

    @cached_property
    def table(self) -> pd.DataFrame:
        """The numbers that ``cnnbench report`` shows, a row per network, in base units.

        Its columns are those of `report` that have a place in the printed tables; the index is
        the name of each network. A number that was not measured is NaN.
        """
        shown = [column.name for column in layout.columns(self.measured)]
        values = {name: [row.get(name).value for row in self.measured] for name in shown}
        names = pd.Index([row.name for row in self.measured], name="model")
        return pd.DataFrame(values, index=names, columns=shown)

    def plot(self, across: str = "", up: str = "") -> alt.LayerChart:
        """Return the trade-off between two metrics as an Altair chart, which a notebook shows.

        Args:
            across, up: metrics, as on the command line; by default the first latency, else a
                size, and the first accuracy, else the MACs.

        Raises:
            UserError: an unknown metric, or no network that has both numbers.
        """
        from cnnbench.plots import tradeoff

        return tradeoff(self, across, up)


def load(path: Path | str) -> Run:
    """Read a run: its folder, a suite's folder (the newest run in it), or a ``report.csv``.

    Raises:
        UserError: nothing there, or not a run.
    """
    return Run(**vars(tables.load(path)))
