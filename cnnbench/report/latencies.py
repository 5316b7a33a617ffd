"""The latencies of a report, setting by setting: what its rows are ranked by."""

from __future__ import annotations

import pandas as pd

from cnnbench.core.metrics import column, split
from cnnbench.report.merge import Row


def settings_of(report: pd.DataFrame) -> list[str]:
    """The settings that anything was measured in, in order: ``cpu/litert/b1``."""
    return [
        split(str(name))[1]
        for name in report.columns
        if split(str(name))[0] == "latency_p50_s" and report[name].notna().any()
    ]


def measured_time(row: Row, setting: str) -> float | None:
    """Seconds a call: the drift-corrected location where there is one, else the median."""
    for metric in ("latency_location_s", "latency_p50_s"):
        value = row.read(column(metric, setting)).value
        if value is not None:
            return value
    return None


def is_doubtful(row: Row, setting: str) -> bool:
    """Whether the report marks the time with a question mark."""
    return row.read(column("latency_p50_s", setting)).verdict.startswith("unstable")
