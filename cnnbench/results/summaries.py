"""The records of one cell -> one number a metric, with its interval and its verdict.

Nothing of this is ever stored: it follows from the records every time a table is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, median
from typing import Any

from cnnbench.probes.accuracy.training_config import PRETRAINED
from cnnbench.probes.registry import Setting
from cnnbench.results.latencies import Rounds
from cnnbench.results.record import PREPARE, Record
from cnnbench.statistics import estimates, proportions
from cnnbench.units import show

_NAMED = 5  # files that a table names; a record names more


@dataclass(frozen=True)
class Summary:
    """One metric of one cell.

    Attributes:
        value: in base units, or None where there is none.
        status: ``ok``, or why there is no value, or what else went wrong.
        ci_low, ci_high: the 95 % interval over processes or seeds, where one can be given.
        verdict: ``stable``, ``unstable: why``, or empty where nothing was repeated.
        samples: one value a process or seed, in the order of the repeats.
    """

    value: float | None
    status: str = "ok"
    ci_low: float | None = None
    ci_high: float | None = None
    verdict: str = ""
    samples: tuple[float, ...] = field(default=())


def summarise(setting: Setting, records: Sequence[Record]) -> dict[str, Summary]:
    """Every metric of one cell, from all records of it (retries and ``prepare`` included)."""
    good = sorted(
        (r for r in records if r.status == "ok" and r.repeat != PREPARE), key=lambda r: r.repeat
    )
    made = [r for r in records if r.status == "ok" and r.repeat == PREPARE]
    status = _status(records)
    summaries = _BY_PROBE.get(setting.probe, _plain)(good, status) if good else {}
    for record in made:
        summaries |= {
            metric: Summary(value, samples=(value,))
            for metric, value in record.metrics.items()
            if metric not in summaries and value is not None
        }
    if not good:
        summaries |= {metric: Summary(None, status) for metric in setting.primary_metrics()}
    return summaries


def unresolved_failures(records: Iterable[Record]) -> list[Record]:
    """Of one cell's records, in the journal's order, the last of every job that is not ok.

    A job is mended by an ``ok`` of its own. A ``prepare`` that was done again, as what it had made
    was lost, leaves no second one; that it went well is seen by a round, which cannot do without.
    """
    bad: dict[str, Record] = {}
    for record in records:
        bad.pop(record.key, None)
        if record.status != "ok":
            bad[record.key] = record
        elif record.repeat != PREPARE:
            bad = {key: other for key, other in bad.items() if other.repeat != PREPARE}
    return list(bad.values())


def _status(records: Sequence[Record]) -> str:
    """``ok``, or the last answer of a job that is not ok (a ``prepare`` may be no longer)."""
    bad = unresolved_failures(records)
    if not bad:
        return "ok" if records else "not measured"
    return f"{bad[-1].status}: {bad[-1].reason}" if bad[-1].reason else bad[-1].status


def _samples(records: Sequence[Record]) -> dict[str, tuple[float, ...]]:
    """metric -> one value a record; a metric that some records lack has fewer."""
    names = dict.fromkeys(name for record in records for name in record.metrics)
    return {
        name: tuple(value for r in records if (value := r.metrics.get(name)) is not None)
        for name in names
    }


def _plain(records: Sequence[Record], status: str) -> dict[str, Summary]:
    """What is counted, or measured once: the median; from two processes on with its interval."""
    summaries = {}
    for name, values in _samples(records).items():
        if not values:
            continue
        if len(values) == 1 or min(values) <= 0:
            summaries[name] = Summary(median(values), status, samples=values)
        else:
            interval = estimates.estimate(values)
            summaries[name] = Summary(
                middle := median(values),
                status,
                min(interval.low, middle),
                max(interval.high, middle),
                samples=values,
            )
    return summaries


def _static(records: Sequence[Record], status: str) -> dict[str, Summary]:
    """Summarise as `_plain`, with a verdict for counts that are only bounds."""
    bounds = records[-1].details.get("bounds") or {}
    return {
        name: replace(one, verdict=estimates.unstable(bounds[name])) if name in bounds else one
        for name, one in _plain(records, status).items()
    }


def _latency(records: Sequence[Record], status: str) -> dict[str, Summary]:
    """Summarise latencies by `Rounds`, all else plainly; samples of all rounds are kept."""
    rounds = Rounds(records)
    if not rounds.timed:
        return _plain(records, status)
    samples = _samples(rounds.timed)
    summaries = {
        name: replace(summary, samples=samples[name])
        for name, summary in _plain(rounds.counting, status).items()
    }
    precision, capped = records[-1].details.get("precision"), _capped(records)
    flags = [_doubts(record) for record in rounds.counting]
    for name, found in rounds.estimates.items():
        verdict = estimates.verdict(found, rounds.references, precision, flags, capped)
        # One round has no interval, not one of no width.
        low, high = (found.low, found.high) if len(rounds.timed) > 1 else (None, None)
        every = rounds.samples(name)
        summaries[name] = Summary(found.value, status, low, high, verdict, every)
    return summaries | {name: Summary(None, words) for name, words in rounds.missing.items()}


def _capped(records: Sequence[Record]) -> str:
    """The limit of time that ended the rounds, in words; empty where none did."""
    limit = records[-1].details.get("cell_limit_s")
    if limit is None or sum(record.duration_s for record in records) < limit:
        return ""
    return show(limit, "s")


def _accuracy(records: Sequence[Record], status: str) -> dict[str, Summary]:
    """Shares of the test images are the mean over seeds; their interval covers both choices."""
    if records[-1].setting.get("recipe") == PRETRAINED:  # nothing was trained: no seed to choose
        return _with_notes(records, status, _summarise_fixed_model(records, status))
    summaries = {
        name: replace(summary, value=fmean(summary.samples))
        if name in proportions.SHARES
        else summary
        for name, summary in _plain(records, status).items()
    }
    summaries = _with_intervals(summaries, records[-1].details, has_seeds=True)
    summaries = _with_notes(records, status, summaries)
    return summaries | _time_to_target(records, summaries.get("time_to_target_s"))


def _with_notes(
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


def _time_to_target(records: Sequence[Record], found: Summary | None) -> dict[str, Summary]:
    """A time only where every seed reached the target; else how many did."""
    target = records[-1].setting.get("target_top1")
    reached = len(found.samples) if found else 0
    if target is None or reached == len(records):
        return {}
    words = f"{reached} of {len(records)} seeds reached {100 * target:g} %"
    return {"time_to_target_s": Summary(None, words)}


def _summarise_fixed_model(records: Sequence[Record], status: str) -> dict[str, Summary]:
    """One fixed network on all test images: the interval is of the images alone."""
    return _with_intervals(_plain(records, status), records[-1].details, has_seeds=False)


def _with_intervals(
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


def _doubts(record: Record) -> list[str]:
    """Return the flags of a round."""
    flags = list(record.details.get("flags", []))
    if others := record.details.get("beside"):
        flags.append(f"another run measured on this machine ({', '.join(others)})")
    return flags


def _compression(records: Sequence[Record], status: str) -> dict[str, Summary]:
    """Each part as what it measures is summarised elsewhere."""
    by_part = {"convert": _converted, "latency": _latency}
    return by_part.get(records[-1].setting.get("part", ""), _plain)(records, status)


def _converted(records: Sequence[Record], status: str) -> dict[str, Summary]:
    """A converted file, judged as it is; what its job flagged makes its answers doubtful."""
    summaries = _with_notes(records, status, _summarise_fixed_model(records, status))
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


_BY_PROBE: dict[str, Callable[[Sequence[Record], str], dict[str, Summary]]] = {
    "static": _static,
    "latency": _latency,
    "accuracy": _accuracy,
    "compression": _compression,
}
