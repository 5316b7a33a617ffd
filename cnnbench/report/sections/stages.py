"""Cost in stages, from a JPEG file to the answer, with the quality of the same network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnnbench.metrics import METRICS, split
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.probes.stages.settings import COPIES, INSIDE, SHARE, STAGES, WHOLE, shown_metric
from cnnbench.probes.stages.summary import NOTE, QUALITY, TASK
from cnnbench.report.sections.section import Block, Section
from cnnbench.results.report import Report
from cnnbench.row import Row
from cnnbench.statistics.measurement import Measurement
from cnnbench.tasks.task import DEFAULT, TASKS, Task
from cnnbench.units import Unit, show

_TITLE = "Cost in stages"
_STAGES = (
    "time of each stage for one image: conversion of a JPEG file to the input of the "
    "network (decode, fit, preprocessing), the network, and the postprocessing of its outputs. "
)
_IN_SEQUENCE = (
    "Stages are timed one after another in the same calls; none includes the work of another. The "
    "time of a stage is its mean over the fifth of the calls in the middle by end-to-end time. The "
    "end-to-end time is the median of whole calls; beside it stands the share of it that the "
    "stages add up to. "
)
_SEPARATELY = (
    "Stages are timed separately; none includes the work of another. The end-to-end time in the "
    "last column is measured too and includes the transfer of data between stages. "
)
_QUALITY = "Quality is that of the timed weights, or of the same training in another probe."
_APART, _INSIDE = (tuple(map(shown_metric, stages)) for stages in (STAGES, INSIDE))
_COPIES = tuple(map(shown_metric, COPIES))
_TAILS = {f"{WHOLE}_p99_s": "p99", f"{WHOLE}_p999_s": "p99.9"}


def section(report: Report) -> Section | None:
    """Return the section of a report; None if no stages were timed."""
    blocks = tuple(_blocks(report))
    if not blocks:
        return None
    notes = tuple(
        f"{row.name}: {words}"
        for row in report
        if isinstance(words := row.others.get(NOTE), str) and words
    )
    in_sequence = any(split(name)[0] == SHARE for name in report.numbers)
    opening, rest = ("The ", _IN_SEQUENCE) if in_sequence else ("The median ", _SEPARATELY)
    introduction = f"{opening}{_STAGES}{rest}{_QUALITY}"
    return Section("stages", "Stages", _TITLE, introduction, blocks, "What was timed", notes)


def _blocks(report: Report) -> Iterator[Block]:
    """Yield a table for each setting and task."""
    whole = shown_metric(WHOLE)
    labels = [split(name)[1] for name in report.numbers if split(name)[0] == whole]
    for label in dict.fromkeys(labels):
        is_inside = any(_is_known(row.get(f"{_INSIDE[1]}@{label}")) for row in report)
        metrics = _INSIDE if is_inside else _APART
        of_task: dict[str, list[Row]] = {}
        for row in report:
            if any(_is_known(row.get(f"{metric}@{label}")) for metric in metrics):
                of_task.setdefault(_task(row).name, []).append(row)
        for name, rows in of_task.items():
            yield _block(report, rows, label, metrics, TASKS[name])


def _block(
    report: Report, rows: Sequence[Row], label: str, metrics: Sequence[str], task: Task
) -> Block:
    first, network, *later, whole = metrics
    work = task.postprocessing
    answer = f"JPEG → {task.answer}"
    heads = {
        first: "JPEG → input",
        **dict(zip(_COPIES, ("copy in", "compute", "copy out"), strict=True)),
        network: "network" if metrics is _APART else f"network with {work} in the file",
        **dict.fromkeys(later, work),
        whole: answer,
        **{metric: f"{answer} {tail}" for metric, tail in _TAILS.items()},
        SHARE: "stages add up to",
    }
    # Those that every such table has had since its first version, and those that were measured.
    found = [
        metric
        for metric in heads
        if metric in metrics or (_was_timed(rows, SHARE, label) and _was_timed(rows, metric, label))
    ]
    lines = [
        (
            row.name,
            _quality(report, row, label, task),
            *(
                _shown(row.get(f"{metric}@{label}"), "fraction" if metric == SHARE else "s")
                for metric in found
            ),
        )
        for row in rows
    ]
    quality = METRICS[task.primary].title
    return Block(label, ("Model", quality, *map(heads.__getitem__, found)), tuple(lines))


def _was_timed(rows: Sequence[Row], metric: str, label: str) -> bool:
    return any(row.get(f"{metric}@{label}").value is not None for row in rows)


def _task(row: Row) -> Task:
    name = row.others.get(TASK)
    return TASKS[name if isinstance(name, str) and name in TASKS else DEFAULT]


def _quality(report: Report, row: Row, label: str, task: Task) -> str:
    """Return the quality of the timed weights, or of the same training in another probe."""
    if isinstance(known := row.others.get(QUALITY), str) and known:
        return known
    same = [row, *(one for one in report if (one.model, one.variant) == (row.model, row.variant))]
    for one in same:
        for name, found in one.values.items():
            metric, trained = split(name)
            training, _, last = trained.rpartition("/")
            training = training if last in RUNTIMES else trained  # of the converted file
            is_same = metric == task.primary and f"/{label}".endswith(f"/{training}")
            if is_same and found.value is not None:
                return found.show(METRICS[metric].unit)
    return ""


def _is_known(found: Measurement) -> bool:
    return found.value is not None or found.status.is_known


def _shown(found: Measurement, unit: Unit) -> str:
    if found.value is None:
        return str(found.status) if found.status.is_known else ""
    return show(found.value, unit) + " ?" * found.is_doubtful
