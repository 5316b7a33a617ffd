"""The latencies of a report, setting by setting: what its rows are ranked by."""

from __future__ import annotations

from cnnbench.metrics import column, split
from cnnbench.results.report import Report
from cnnbench.row import Row
from cnnbench.statistics.measurement import Measurement


def settings_of(report: Report) -> list[str]:
    """The settings that anything was measured in, in order: ``cpu/litert/b1``.

    A time in a table made by hand may have none, or one that names no call path: it is no setting.
    """
    return [
        label
        for metric, label, name in ((*split(name), name) for name in report.numbers)
        if metric == "latency_p50_s" and "/" in label and report.has_value(name)
    ]


def measured_time(row: Row, setting: str) -> Measurement:
    """The time of a call: the location where there is one, else the median."""
    location = row.read(column("latency_location_s", setting))
    return location if location.value is not None else row.read(column("latency_p50_s", setting))
