"""Cost in stages: from a JPEG file to the answer, with the quality of the same network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnnbench.metrics import METRICS, split
from cnnbench.probes.stages.settings import STAGES
from cnnbench.probes.stages.summary import NOTE, QUALITY, TASK
from cnnbench.report.sections.section import Block, Section
from cnnbench.results.report import Report
from cnnbench.row import Row
from cnnbench.statistics.measurement import Measurement
from cnnbench.tasks.task import DEFAULT, TASKS, Task
from cnnbench.units import show

_TITLE = "Cost in stages"
_INTRODUCTION = (
    "The median time of each stage for one picture, timed apart: reading a JPEG file into the "
    "input of the network (decode, fit, preprocessing), the network, what turns its outputs into "
    "the answer, and the whole way, which also has the hand-over between stages. No stage contains "
    "another one's work. Quality is that of the weights that were timed, or of the same training."
)
_METRICS = (*(f"{stage}_s" for stage in STAGES[:-1]), f"{STAGES[-1]}_p50_s")


def section(report: Report) -> Section | None:
    """Return the section of a report; None where no stages were timed."""
    blocks = tuple(_blocks(report))
    if not blocks:
        return None
    notes = tuple(
        f"{row.name}: {words}"
        for row in report
        if isinstance(words := row.others.get(NOTE), str) and words
    )
    return Section("stages", "Stages", _TITLE, _INTRODUCTION, blocks, "What was timed", notes)


def _blocks(report: Report) -> Iterator[Block]:
    """Yield a table for each setting and task."""
    labels = [split(name)[1] for name in report.numbers if split(name)[0] == _METRICS[-1]]
    for label in dict.fromkeys(labels):
        of_task: dict[str, list[Row]] = {}
        for row in report:
            if any(_is_known(one) for one in _stages(row, label)):
                of_task.setdefault(_task(row).name, []).append(row)
        for name, rows in of_task.items():
            task = TASKS[name]
            heads = (
                *("Model", METRICS[task.primary].title, "JPEG → input", "network"),
                *(task.postprocessing, f"JPEG → {task.answer}"),
            )
            lines = tuple(
                (row.name, _quality(report, row, label, task), *map(_shown, _stages(row, label)))
                for row in rows
            )
            yield Block(label, heads, lines)


def _stages(row: Row, label: str) -> Sequence[Measurement]:
    return [row.get(f"{metric}@{label}") for metric in _METRICS]


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
            metric, training = split(name)
            is_same = metric == task.primary and f"/{label}".endswith(f"/{training}")
            if is_same and found.value is not None:
                return found.show(METRICS[metric].unit)
    return ""


def _is_known(found: Measurement) -> bool:
    return found.value is not None or found.status.is_known


def _shown(found: Measurement) -> str:
    if found.value is None:
        return str(found.status) if found.status.is_known else ""
    return show(found.value, "s") + " ?" * found.is_doubtful
