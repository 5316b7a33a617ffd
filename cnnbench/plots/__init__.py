"""Charts: one function each, from a run or an inspection to an Altair chart.

A notebook shows what they return, `svg` and `png` write it, and ``report.html`` embeds it: one
specification for all three. Altair is imported when the first chart is made.
"""

from __future__ import annotations

from cnnbench.plots.confusion import confusion
from cnnbench.plots.curves import layers, learning, timeline
from cnnbench.plots.dots import latency, memory_of_run
from cnnbench.plots.numbers import NothingToDraw
from cnnbench.plots.precision_recall import precision_recall
from cnnbench.plots.theme import embedded, library, png, svg
from cnnbench.plots.tradeoff import tradeoff

__all__ = [
    "NothingToDraw",
    "confusion",
    "embedded",
    "latency",
    "layers",
    "learning",
    "library",
    "memory_of_run",
    "png",
    "precision_recall",
    "svg",
    "timeline",
    "tradeoff",
]
