"""What a report says below its table: what compressing bought, what failed, what is doubtful."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from cnnbench.metrics import METRICS, split
from cnnbench.probes.compression.verdicts import COLUMN as COMPRESSION
from cnnbench.report import drift, layout
from cnnbench.results.report import Report

# Not shown, but a doubt about it is one about everything that the network answers.
_ANSWERS = "output_max_abs_diff"
Said = Iterable[tuple[str, str, str]]  # the column for people, the row, what is said of its number


def remarks(report: Report, wanted: Sequence[str] = ()) -> Iterator[str]:
    """What compressing bought; what was skipped, failed or is doubtful, and why; settings in full.

    ``wanted`` are the metrics of `layout.columns`: nothing is said of others.
    """
    asked, labels = layout.about(wanted, report), layout.short_labels(report)
    metrics = frozenset(name for name, metric in METRICS.items() if wanted or metric.group)
    for row in asked:
        if isinstance(words := row.others.get(COMPRESSION), str):
            yield f"{row.name}: {words}"
    yield from _unsettled(asked, labels)
    yield from _absent(_statuses(asked, metrics, labels), len(asked))
    yield from _doubtful(_verdicts(asked, metrics | {_ANSWERS}, labels))
    if any(name.startswith("latency_") for name in asked.columns):
        yield from drift.cancelled(report)
    settings = dict.fromkeys(split(name)[1] for name in asked.columns)
    yield from (f"{labels[s]}: in full {s}" for s in settings if labels[s] != s)


def _statuses(report: Report, metrics: Collection[str], labels: Mapping[str, str]) -> Said:
    """Every status that is not as it should be."""
    return (
        (_title(name, labels), row.name, str(row.values[name].status))
        for name in report.numbers
        for row in report
        if split(name)[0] in metrics and not row.values[name].status.is_fine
    )


def _verdicts(report: Report, metrics: Collection[str], labels: Mapping[str, str]) -> Said:
    """The reasons of every verdict that is worth a note."""
    return (
        (_title(name, labels), row.name, row.values[name].verdict.why)
        for name in report.numbers
        for row in report
        if split(name)[0] in metrics and row.values[name].verdict.is_worth_a_note
    )


def _title(name: str, labels: Mapping[str, str]) -> str:
    metric, label = split(name)
    return f"{METRICS[metric].title} {labels[label]}".strip()


def _absent(found: Said, rows: int) -> Iterator[str]:
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


def _doubtful(found: Said) -> Iterator[str]:
    """A line a column, with the reasons of each model."""
    doubts: dict[str, list[str]] = {}
    for what, model, words in found:
        doubts.setdefault(what, []).append(f"{model} ({words})")
    for what, models in doubts.items():
        yield f"{what}, doubtful: {', '.join(models)}"


def _unsettled(report: Report, labels: Mapping[str, str]) -> Iterator[str]:
    """Which networks share a tier of accuracy, and what would tell them apart, a line a tier."""
    for name in report.numbers:
        sharing: dict[str, list[str]] = {}
        for row in report:
            if words := row.values[name].ranking:
                sharing.setdefault(words, []).append(row.name)
        for words, models in sorted(sharing.items()):
            yield f"{_title(name, labels)}, {words} ({', '.join(models)})"
