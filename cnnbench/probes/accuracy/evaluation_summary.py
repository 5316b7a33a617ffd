"""Summaries of a network that was judged on test images: intervals, verdicts and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cnnbench.probes.summary import Summary, plain
from cnnbench.record import Record
from cnnbench.statistics import estimates, proportions

_NAMED = 5  # files that a table names; a record names more


def with_notes(
    records: Sequence[Record], status: str, summaries: dict[str, Summary]
) -> dict[str, Summary]:
    """``summaries`` with what a reader must know of how it was judged as the accuracy's status."""
    details = records[-1].details
    words = list(details.get("notes", []))
    if output := details.get("output"):
        words.append(f"judged by its output '{output}'")
    if unused := details.get("n_problems"):
        words.append(_unused_files(unused, details.get("problems", [])))
    if not words or status != "ok" or "top1" not in summaries:
        return summaries
    return summaries | {"top1": replace(summaries["top1"], status="; ".join(words))}


def _unused_files(count: int, problems: Sequence[str]) -> str:
    """``7 files not used: red/notes.txt: not an image; and 6 more``."""
    named = "; ".join(problems[:_NAMED])
    more = f"; and {count - _NAMED} more, see records.jsonl" if count > _NAMED else ""
    return f"{count} file{'s' * (count != 1)} not used: {named}{more}"


def summarise_fixed_model(records: Sequence[Record], status: str) -> dict[str, Summary]:
    """One fixed network on all test images: the interval is of the images alone."""
    return with_intervals(plain(records, status), records[-1].details, has_seeds=False)


def with_intervals(
    summaries: dict[str, Summary], details: Mapping[str, Any], *, has_seeds: bool
) -> dict[str, Summary]:
    """``summaries`` with an interval and a verdict for every share of the test images."""
    examples = details.get("n_test")
    if examples is None:
        return summaries
    judged = {}
    for name in summaries.keys() & {*proportions.SHARES}:
        chance = details.get("chance", 0.0) if name == "top1" else 0.0
        shares = summaries[name].samples if has_seeds else summaries[name].samples[:1]
        found = proportions.estimate(shares, examples)
        verdict = proportions.verdict(shares, examples, chance, has_seeds=has_seeds)
        judged[name] = replace(
            summaries[name], ci_low=found.low, ci_high=found.high, verdict=verdict
        )
    return _with_chance_said(summaries | judged)


def _with_chance_said(summaries: dict[str, Summary]) -> dict[str, Summary]:
    """What has learnt nothing has no good calibration either, nor a top-5 worth a rank."""
    top1 = summaries.get("top1")
    if top1 is None or top1.verdict != estimates.BLIND:
        return summaries
    others = summaries.keys() & {"top5", "ece", "loss"}
    return summaries | {name: replace(summaries[name], verdict=top1.verdict) for name in others}
