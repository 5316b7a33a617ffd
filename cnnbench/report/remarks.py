"""What a report says below its table: what compressing bought, what failed, what is doubtful."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import pandas as pd

from cnnbench.core.metrics import METRICS, split
from cnnbench.report import drift, layout
from cnnbench.store.compression import COLUMN as COMPRESSION
from cnnbench.store.statistics import UNSTABLE

_SHOWN = frozenset(metric for metrics in layout.GROUPS.values() for metric in metrics)
# Not shown, but a doubt about it is one about everything that the network answers.
_ANSWERS = "output_max_abs_diff"


def remarks(report: pd.DataFrame, wanted: Sequence[str] = ()) -> Iterator[str]:
    """What compressing bought; what was skipped, failed or is doubtful, and why; settings in full.

    ``wanted`` are the metrics of `layout.columns`: nothing is said of others.
    """
    asked, labels = layout.about(wanted, report), layout.short_labels(report)
    metrics = frozenset(METRICS) if wanted else _SHOWN
    yield from _compressed(asked)
    yield from _unsettled(asked, labels)
    yield from _absent(_words(asked, "status", metrics, labels), len(asked))
    yield from _doubtful(_words(asked, "verdict", metrics | {_ANSWERS}, labels))
    if any(name.startswith("latency_") for name in asked.columns):
        yield from drift.cancelled(report)
    settings = dict.fromkeys(split(str(name))[1] for name in asked.columns)
    yield from (f"{labels[s]}: in full {s}" for s in settings if labels[s] != s)


def _words(
    report: pd.DataFrame, kind: str, metrics: Collection[str], labels: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Column for people, network and words of every status or verdict that is not as it should."""
    names = layout.row_names(report)
    for name in report.columns:
        metric, label = split(name)
        base, _, ending = metric.rpartition("_")
        if ending != kind or base not in metrics:
            continue
        what = f"{METRICS[base].title} {labels[label]}".strip()
        for model, words in zip(names, report[name].fillna(""), strict=True):
            if words and words not in ("ok", "stable"):
                yield what, model, words


def _absent(found: Iterable[tuple[str, str, str]], rows: int) -> Iterator[str]:
    """A line a reason, with its columns and models."""
    models: dict[tuple[str, str], list[str]] = {}
    for what, model, words in found:
        models.setdefault((words, what), []).append(model)
    columns: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (words, what), who in models.items():
        columns.setdefault((words, tuple(who)), []).append(what)
    for (words, models_of), whats in columns.items():
        everyone = len(models_of) == rows > 1
        yield f"{', '.join(whats)}: {words} ({'all models' if everyone else ', '.join(models_of)})"


def _doubtful(found: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """A line a column, with the reasons of each model."""
    doubts: dict[str, list[str]] = {}
    for what, model, words in found:
        reasons = words.removeprefix(UNSTABLE).removeprefix(": ")
        doubts.setdefault(what, []).append(f"{model} ({reasons})")
    for what, reasons_of in doubts.items():
        yield f"{what}, doubtful: {', '.join(reasons_of)}"


def _unsettled(report: pd.DataFrame, labels: Mapping[str, str]) -> Iterator[str]:
    """Which networks share a tier of accuracy, and what would tell them apart, a line a tier."""
    names = layout.row_names(report)
    for name in report.columns:
        metric, label = split(name)
        if not metric.endswith("_ranking"):
            continue
        sharing: dict[str, list[str]] = {}
        for model, words in zip(names, report[name].fillna(""), strict=True):
            if words:
                sharing.setdefault(words, []).append(model)
        title = METRICS[metric.removesuffix("_ranking")].title
        for words, models in sorted(sharing.items()):
            yield f"{title} {labels[label]}, {words} ({', '.join(models)})"


def _compressed(report: pd.DataFrame) -> Iterator[str]:
    """What each compressed row bought, a line a row."""
    if COMPRESSION in report.columns:
        found = zip(layout.row_names(report), report[COMPRESSION].fillna(""), strict=True)
        for name, words in found:
            if words:
                yield f"{name}: {words}"
