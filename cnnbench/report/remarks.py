"""What a report says below its table: what compressing bought, what failed, what is doubtful."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import pandas as pd

from cnnbench.metrics import METRICS, split
from cnnbench.probes.compression.verdicts import COLUMN as COMPRESSION
from cnnbench.report import drift, layout
from cnnbench.statistics.estimates import ONE_TRAINING, STABLE, reasons_of

# Row and words of one column, where there are any.
Said = list[tuple[str, str]]
# Not shown, but a doubt about it is one about everything that the network answers.
_ANSWERS = "output_max_abs_diff"


def remarks(report: pd.DataFrame, wanted: Sequence[str] = ()) -> Iterator[str]:
    """What compressing bought; what was skipped, failed or is doubtful, and why; settings in full.

    ``wanted`` are the metrics of `layout.columns`: nothing is said of others.
    """
    asked, labels = layout.about(wanted, report), layout.short_labels(report)
    metrics = (
        frozenset(METRICS)
        if wanted
        else frozenset(metric.name for metric in METRICS.values() if metric.group)
    )
    names = layout.row_names(asked)

    def said(column: str) -> Said:
        pairs = zip(names, asked[column].fillna(""), strict=True)
        return [(name, words) for name, words in pairs if words]

    if COMPRESSION in asked.columns:
        yield from (f"{name}: {words}" for name, words in said(COMPRESSION))
    yield from _unsettled(asked.columns, said, labels)
    yield from _absent(_words(asked.columns, "status", metrics, said, labels), len(asked))
    doubts = metrics | {_ANSWERS}
    yield from _doubtful(_words(asked.columns, "verdict", doubts, said, labels))
    if any(name.startswith("latency_") for name in asked.columns):
        yield from drift.cancelled(report)
    settings = dict.fromkeys(split(str(name))[1] for name in asked.columns)
    yield from (f"{labels[s]}: in full {s}" for s in settings if labels[s] != s)


def _words(
    columns: Iterable[str],
    kind: str,
    metrics: Collection[str],
    said: Callable[[str], Said],
    labels: Mapping[str, str],
) -> Iterator[tuple[str, str, str]]:
    """Column for people, network and words of every status or verdict that is not as it should."""
    for name in columns:
        metric, label = split(name)
        base, _, ending = metric.rpartition("_")
        if ending != kind or base not in metrics:
            continue
        what = f"{METRICS[base].title} {labels[label]}".strip()
        fine = ("ok", STABLE, ONE_TRAINING)
        yield from ((what, row, words) for row, words in said(name) if words not in fine)


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
        doubts.setdefault(what, []).append(f"{model} ({reasons_of(words)})")
    for what, models in doubts.items():
        yield f"{what}, doubtful: {', '.join(models)}"


def _unsettled(
    columns: Iterable[str], said: Callable[[str], Said], labels: Mapping[str, str]
) -> Iterator[str]:
    """Which networks share a tier of accuracy, and what would tell them apart, a line a tier."""
    for name in columns:
        metric, label = split(name)
        if not metric.endswith("_ranking"):
            continue
        sharing: dict[str, list[str]] = {}
        for model, words in said(name):
            sharing.setdefault(words, []).append(model)
        title = METRICS[metric.removesuffix("_ranking")].title
        for words, models in sorted(sharing.items()):
            yield f"{title} {labels[label]}, {words} ({', '.join(models)})"
