"""Sections of a report: one above its table, the others below.

A section is a file with a function that makes it, and a line in each table here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cnnbench.report.sections import (
    call_paths,
    detectors,
    load,
    published_text,
    rankings,
    segmentation,
    sliding,
    stages,
    tracking,
    verdict,
)
from cnnbench.report.sections.section import Section
from cnnbench.results.report import Report
from cnnbench.results.tables import Run
from cnnbench.statistics.ranks import FEWEST_RANKS

_OF_RECORDS: tuple[Callable[[Run], Section | None], ...] = (
    detectors.section,
    segmentation.section,
    tracking.section,
    load.section,
)
_OF_TABLES: tuple[Callable[[Report], Section | None], ...] = (
    rankings.section,
    call_paths.section,
    sliding.section,
    stages.section,
    published_text.section,
)

NEEDS: Mapping[str, str] = {
    verdict.NAME: "a run of a suite that states a question",
    "detectors": "an average precision of a detector",
    "segmentation": "a mean IoU of a segmentation network",
    "rankings": f"{rankings.FEWEST} backbones with the heads of two tasks, all above chance",
    "call_paths": f"latencies of {FEWEST_RANKS} networks in two runtimes",
    "sliding": "a classifier with the head +slide",
    "tracking": "scores of the probe tracking",
    "stages": "times of the probe stages",
    "load": "rates or latencies of the probe load",
    "published": f"latencies of {FEWEST_RANKS} networks in one runtime and in Keras' table",
}
"""Name of each section -> what a report needs for it."""


def opening(run: Run) -> Section | None:
    """Return the section above the table, the answer to the suite's question; None without one."""
    return verdict.section(run)


def sections(run: Run) -> list[Section]:
    """Return the sections for which a run, or its table alone, has enough data, in order."""
    of_records = (make(run) for make in _OF_RECORDS)
    of_tables = (make(run.measured) for make in _OF_TABLES)
    return [one for one in (*of_records, *of_tables) if one is not None]
