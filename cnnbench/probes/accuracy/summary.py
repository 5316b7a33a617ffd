"""Records of an accuracy -> numbers: means over seeds, with intervals over seeds and images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from cnnbench.probes.accuracy.evaluation_summary import (
    summarise_fixed_model,
    with_intervals,
    with_notes,
)
from cnnbench.probes.accuracy.training_config import PRETRAINED
from cnnbench.probes.summary import Summary, plain
from cnnbench.record import Record
from cnnbench.statistics import proportions


def summarise(records: Sequence[Record], status: str) -> dict[str, Summary]:
    """Shares of the test images are the mean over seeds; their interval covers both choices."""
    if records[-1].setting.get("recipe") == PRETRAINED:  # nothing was trained: no seed to choose
        return with_notes(records, status, summarise_fixed_model(records, status))
    summaries = {
        name: replace(summary, value=fmean(summary.samples))
        if name in proportions.SHARES
        else summary
        for name, summary in plain(records, status).items()
    }
    summaries = with_intervals(summaries, records[-1].details, has_seeds=True)
    summaries = with_notes(records, status, summaries)
    return summaries | _time_to_target(records, summaries.get("time_to_target_s"))


def _time_to_target(records: Sequence[Record], found: Summary | None) -> dict[str, Summary]:
    """A time only where every seed reached the target; else how many did."""
    target = records[-1].setting.get("target_top1")
    reached = len(found.samples) if found else 0
    if target is None or reached == len(records):
        return {}
    words = f"{reached} of {len(records)} seeds reached {100 * target:g} %"
    return {"time_to_target_s": Summary(None, words)}
