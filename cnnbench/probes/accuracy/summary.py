"""Records of an accuracy cell -> numbers, as its task summarises seeds."""

from __future__ import annotations

from collections.abc import Sequence

from cnnbench.probes.accuracy.evaluation_summary import evaluated
from cnnbench.probes.accuracy.training_config import PRETRAINED
from cnnbench.probes.summary import Summary
from cnnbench.record import Record
from cnnbench.tasks.task import DEFAULT, TASKS


def summarise(records: Sequence[Record], status: str) -> dict[str, Summary]:
    """Return every metric of one cell; a time to the target only where all seeds reached it."""
    setting = records[-1].setting
    task = TASKS.find(setting.get("task", DEFAULT))
    is_trained = setting.get("recipe") != PRETRAINED
    summaries = evaluated(task, records, status, is_trained=is_trained)
    return summaries | _time_to_target(records, summaries.get("time_to_target_s"))


def _time_to_target(records: Sequence[Record], found: Summary | None) -> dict[str, Summary]:
    """Return how many seeds reached the target, unless all did."""
    target = records[-1].setting.get("target_top1")
    reached = len(found.samples) if found else 0
    if target is None or reached == len(records):
        return {}
    words = f"{reached} of {len(records)} seeds reached {100 * target:g} %"
    return {"time_to_target_s": Summary(None, words)}
