"""Sections of a report below its table."""

from __future__ import annotations

from cnnbench.report.sections import call_paths, published_text, sliding, stages
from cnnbench.report.sections.section import Section
from cnnbench.results.report import Report


def sections(report: Report) -> list[Section]:
    """Return the sections for which the report has enough numbers, in order."""
    makers = (call_paths.section, sliding.section, stages.section, published_text.section)
    found = (make(report) for make in makers)
    return [one for one in found if one is not None]
