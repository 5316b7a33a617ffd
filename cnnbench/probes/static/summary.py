"""Summary of static metrics: a count that is only a bound gets a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cnnbench.probes.summary import plain
from cnnbench.record import Record
from cnnbench.statistics.measurement import CellStatus, Measurement
from cnnbench.statistics.verdict import Verdict


def summarise(records: Sequence[Record], status: CellStatus) -> dict[str, Measurement]:
    """Summarise as `plain`, with a verdict for counts that are only bounds."""
    bounds = records[-1].details.get("bounds") or {}
    return {
        name: replace(one, verdict=Verdict.unstable(bounds[name])) if name in bounds else one
        for name, one in plain(records, status).items()
    }
