"""Notes below the table of a report: compression, failures, doubts, drift, long settings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from statistics import median

from cnnbench.metrics import METRICS, column, family, split
from cnnbench.plugins import PROBES
from cnnbench.report import layout
from cnnbench.results.report import Report
from cnnbench.statistics.drift_correction import logarithms
from cnnbench.statistics.measurement import Measurement
from cnnbench.statistics.robust import FEWEST_PROCESSES, deviation
from cnnbench.text import plural
from cnnbench.units import show_duration

_MACS = "accelerated_macs"

Remark = tuple[str, str, str]  # column head, row name, status or reason of the verdict


def remarks(report: Report, wanted: Sequence[str] = ()) -> Iterator[str]:
    """Yield the notes on a report, a line each.

    Args:
        report: the report.
        wanted: metrics as in `layout.columns`; there are no notes on others.
    """
    asked, labels = layout.about(wanted, report), layout.short_labels(report)
    metrics = frozenset(name for name, metric in METRICS.items() if wanted or metric.group)
    in_words = [name for probe in PROBES.values() for name in probe.verdicts]
    for row in asked:
        for name in in_words:
            if isinstance(words := row.others.get(name), str):
                yield f"{row.name}: {words}"
    yield from _not_accelerated(asked, labels)
    yield from _open_tiers(asked, labels)
    statuses = (
        (head, row, str(one.status))
        for head, row, one in _found(asked, metrics, labels)
        if not one.status.is_fine
    )
    yield from _absent(statuses, len(asked))
    checks = {name for name, metric in METRICS.items() if metric.is_check}
    verdicts = (
        (head, row, one.verdict.why)
        for head, row, one in _found(asked, metrics | checks, labels)
        if one.verdict.is_worth_a_note
    )
    yield from _doubtful(verdicts)
    if any(METRICS[split(name)[0]].family == "latency" for name in asked.numbers):
        yield from drift(report)
    settings = dict.fromkeys(split(name)[1] for name in asked.columns)
    yield from (f"{labels[s]}, full name: {s}" for s in settings if labels[s] != s)


def _found(
    report: Report, metrics: Collection[str], labels: Mapping[str, str]
) -> Iterator[tuple[str, str, Measurement]]:
    """Yield column head, row name and measurement of every number of these metrics."""
    for name in report.numbers:
        if split(name)[0] in metrics:
            yield from ((_title(name, labels), row.name, row.values[name]) for row in report)


def _title(name: str, labels: Mapping[str, str]) -> str:
    metric, label = split(name)
    return f"{METRICS[metric].title} {labels[label]}".strip()


def _absent(found: Iterable[Remark], rows: int) -> Iterator[str]:
    """Yield a line for each reason, with its columns and models."""
    models: dict[tuple[str, str], list[str]] = {}
    for what, model, words in found:
        models.setdefault((words, what), []).append(model)
    columns: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (words, what), who in models.items():
        columns.setdefault((words, tuple(who)), []).append(what)
    for (words, models_of), whats in columns.items():
        everyone = len(models_of) == rows > 1
        yield f"{', '.join(whats)}: {words} ({'all models' if everyone else ', '.join(models_of)})"


def _doubtful(found: Iterable[Remark]) -> Iterator[str]:
    """Yield a line for each column, with the reasons of each model."""
    doubts: dict[str, list[str]] = {}
    for what, model, words in found:
        doubts.setdefault(what, []).append(f"{model} ({words})")
    for what, models in doubts.items():
        yield f"{what}, doubtful: {', '.join(models)}"


def _not_accelerated(report: Report, labels: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each setting with the networks that a delegate or provider took in part."""
    for name in report.numbers:
        metric, label = split(name)
        if metric != "accelerated_ops":
            continue
        left = []
        for row in report:
            operations, macs = row.get(name).value, row.get(column(_MACS, label)).value
            if operations is not None and operations < 1:
                of_macs = f", {100 * (1 - macs):.1f} % of the MACs" if macs is not None else ""
                left.append(f"{row.name} ({100 * (1 - operations):.1f} % of operations{of_macs})")
        if left:
            yield f"Not accelerated in {labels[label]}: {', '.join(left)}"


def _open_tiers(report: Report, labels: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each tier that several networks share, with how to separate them."""
    for name in report.numbers:
        sharing: dict[str, list[str]] = {}
        for row in report:
            if words := row.values[name].ranking:
                sharing.setdefault(words, []).append(row.name)
        for words, models in sorted(sharing.items()):
            yield f"{_title(name, labels)}, {words} ({', '.join(models)})"


def drift(report: Report) -> Iterator[str]:
    """Yield notes on how much the rounds of a cell differ, and on what quiet measuring cost."""
    found = list(_timed_cells(report))
    if found:
        plain = median(_spread(cell.samples) for cell in found)
        cells = plural(len(found), "cell")
        words = (
            f"Latencies vary by {100 * plain:.1f} % between the processes of a cell (robust "
            f"standard deviation, median of {cells})"
        )
        if any(cell.ratios for cell in found):
            beside = median(_spread(cell.ratios or cell.samples) for cell in found)
            words += (
                f", and by {100 * beside:.1f} % after drift correction; intervals, comparisons "
                "and tiers use drift-corrected values"
            )
        yield words
    yield from _cost(report)


def _cost(report: Report) -> Iterator[str]:
    """Yield what was waited and left out to measure while the machine was quiet."""
    waited, left_out = (_values(report, name) for name in ("waited_s", "left_out_s"))
    disturbed = int(sum(one.value or 0 for one in _values(report, "disturbed_rounds")))
    if waited:
        rounds = plural(sum(len(one.samples) for one in waited), "round")
        waited_s, left_out_s = (sum(one.value or 0 for one in of) for of in (waited, left_out))
        yield (
            f"In {rounds}, {show_duration(waited_s)} were spent waiting until the machine was "
            f"quiet, and calls of {show_duration(left_out_s)} beside a disturbed reference were "
            "left out"
        )
    if disturbed:
        yield (
            f"{plural(disturbed, 'round')} did not find the machine quiet for long enough; they "
            "count only in cells with fewer than six others"
        )


def _values(report: Report, metric: str) -> list[Measurement]:
    """Return the measurements of a metric in all rows and settings."""
    names = [name for name in report.numbers if split(name)[0] == metric]
    found = (row.values[name] for row in report for name in names)
    return [one for one in found if one.value is not None]


def _timed_cells(report: Report) -> Iterator[Measurement]:
    """Yield the latencies that tests use, of cells with enough valid processes."""
    first = family("latency")[0]
    names = [name for name in report.numbers if split(name)[0] == first]
    for row in report:
        for name in names:
            found = row.read(name)
            if len(found.samples) >= FEWEST_PROCESSES:
                yield found


def _spread(values: Sequence[float]) -> float:
    return deviation(logarithms(values))
