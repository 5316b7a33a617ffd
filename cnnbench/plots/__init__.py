"""Charts: one function each, from a run or an inspection to an Altair chart.

A notebook shows what they return, `svg` and `png` write it, and ``report.html`` embeds it: one
specification for all three. Altair is imported when the first chart is made.
"""

from __future__ import annotations

from cnnbench.plots.confusion import confusion
from cnnbench.plots.curves import layers, learning, timeline
from cnnbench.plots.dots import latency, memory_of_run
from cnnbench.plots.history import over_runs
from cnnbench.plots.load import over_rate
from cnnbench.plots.numbers import NothingToDraw
from cnnbench.plots.precision_recall import precision_recall
from cnnbench.plots.roofline import MISSING_PEAKS, is_without_peaks, roofline
from cnnbench.plots.theme import embedded, library, png, svg
from cnnbench.plots.tradeoff import tradeoff

__all__ = [
    "MISSING_PEAKS",
    "NothingToDraw",
    "confusion",
    "embedded",
    "is_without_peaks",
    "latency",
    "layers",
    "learning",
    "library",
    "memory_of_run",
    "over_rate",
    "over_runs",
    "png",
    "precision_recall",
    "roofline",
    "svg",
    "timeline",
    "tradeoff",
]
