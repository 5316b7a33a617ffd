"""Records of a compressed network -> numbers, each part as the probe that measures it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cnnbench.metrics import METRICS
from cnnbench.probes.accuracy.summary import evaluated
from cnnbench.probes.latency.summary import summarise as summarise_latency
from cnnbench.probes.summary import plain
from cnnbench.record import Record
from cnnbench.statistics.measurement import CellStatus, Measurement
from cnnbench.statistics.verdict import ONE_TRAINING, STABLE
from cnnbench.tasks.task import DEFAULT, TASKS


def summarise(records: Sequence[Record], status: CellStatus) -> dict[str, Measurement]:
    """Summarise each part as the probe that measures it does."""
    by_part = {"convert": _converted, "latency": summarise_latency}
    return by_part.get(records[-1].setting.get("part", ""), plain)(records, status)


def _converted(records: Sequence[Record], status: CellStatus) -> dict[str, Measurement]:
    """Summarise a converted file, which is evaluated untrained; its flags make answers doubtful."""
    setting = records[-1].setting
    task = TASKS.find((setting.get("training") or {}).get("task", DEFAULT))
    summaries = evaluated(task, records, status, is_trained=False)
    if setting.get("fine_tune_epochs") or not setting.get("weights"):
        summaries = {name: _of_one_training(found) for name, found in summaries.items()}
    flags = records[-1].details.get("flags")
    if not flags:
        return summaries
    known = [name for name in summaries if name in METRICS]
    of_answers = [name for name in known if METRICS[name].is_share or METRICS[name].is_check]
    return summaries | {name: _doubted(summaries[name], flags) for name in of_answers}


def _of_one_training(summary: Measurement) -> Measurement:
    """Return ``summary`` marked as the result of one training of several possible."""
    is_stable = summary.verdict == STABLE
    return replace(summary, verdict=ONE_TRAINING) if is_stable else summary


def _doubted(summary: Measurement, reasons: Sequence[str]) -> Measurement:
    """Return ``summary`` with more reasons why it is unstable."""
    return replace(summary, verdict=summary.verdict.doubted(*reasons))
