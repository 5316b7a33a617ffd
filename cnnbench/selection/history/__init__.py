"""History of a metric over the runs in a folder, with the runs at which its level changed."""

from __future__ import annotations

from cnnbench.selection.history.over_runs import History, history
from cnnbench.selection.history.runs import DatedRun, find_runs
from cnnbench.selection.history.series import Change, Point, Series

__all__ = ["Change", "DatedRun", "History", "Point", "Series", "find_runs", "history"]
