"""Summary of static metrics: a count that is only a bound gets a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cnnbench.probes.summary import Summary, plain
from cnnbench.record import Record
from cnnbench.statistics import estimates


def summarise(records: Sequence[Record], status: str) -> dict[str, Summary]:
    """Summarise as `plain`, with a verdict for counts that are only bounds."""
    bounds = records[-1].details.get("bounds") or {}
    return {
        name: replace(one, verdict=estimates.unstable(bounds[name])) if name in bounds else one
        for name, one in plain(records, status).items()
    }
