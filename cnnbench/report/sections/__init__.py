"""Sections of a report below its table."""

from __future__ import annotations

from cnnbench.report.sections import call_paths, published_text, sliding
from cnnbench.report.sections.section import Section
from cnnbench.results.report import Report


def sections(report: Report) -> list[Section]:
    """Return the sections for which the report has enough numbers, in order."""
    found = (make(report) for make in (call_paths.section, sliding.section, published_text.section))
    return [one for one in found if one is not None]
