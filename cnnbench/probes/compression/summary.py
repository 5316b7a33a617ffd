"""Records of a compressed network -> numbers, each part as the probe that measures it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cnnbench.probes.accuracy.evaluation_summary import summarise_fixed_model, with_notes
from cnnbench.probes.latency.summary import summarise as summarise_latency
from cnnbench.probes.summary import Summary, plain
from cnnbench.record import Record
from cnnbench.statistics import estimates, proportions


def summarise(records: Sequence[Record], status: str) -> dict[str, Summary]:
    """Each part as what it measures is summarised elsewhere."""
    by_part = {"convert": _converted, "latency": summarise_latency}
    return by_part.get(records[-1].setting.get("part", ""), plain)(records, status)


def _converted(records: Sequence[Record], status: str) -> dict[str, Summary]:
    """A converted file, judged as it is; what its job flagged makes its answers doubtful."""
    summaries = with_notes(records, status, summarise_fixed_model(records, status))
    setting = records[-1].setting
    if setting.get("fine_tune_epochs") or not setting.get("weights"):
        summaries = {name: _of_one_training(found) for name, found in summaries.items()}
    flags = records[-1].details.get("flags")
    if not flags:
        return summaries
    of_answers = summaries.keys() & {*proportions.SHARES, "output_max_abs_diff"}
    return summaries | {name: _doubted(summaries[name], flags) for name in of_answers}


def _of_one_training(summary: Summary) -> Summary:
    """``summary``, said to be of a network of which another training would make another."""
    is_stable = summary.verdict == estimates.STABLE
    return replace(summary, verdict=estimates.ONE_TRAINING) if is_stable else summary


def _doubted(summary: Summary, reasons: Sequence[str]) -> Summary:
    """``summary`` with more reasons why it is unstable."""
    already = filter(None, [estimates.reasons_of(summary.verdict)])
    return replace(summary, verdict=estimates.unstable(*already, *reasons))
