"""Summaries of networks evaluated on test images, with the task's intervals and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cnnbench.probes.summary import plain
from cnnbench.record import Record
from cnnbench.statistics.measurement import OK, CellStatus, Measurement
from cnnbench.tasks.task import Contender, Judgement, Task
from cnnbench.text import plural

_NAMED = 5  # files that a table names; a record names more


def evaluated(
    task: Task, records: Sequence[Record], status: CellStatus, *, is_trained: bool
) -> dict[str, Measurement]:
    """Return every metric of one cell, with the intervals and verdicts of its task.

    Args:
        task: the task that the network was evaluated on.
        records: one per seed.
        status: of the cell. Where it is ``ok``, remarks on the evaluation are the status of the
            task's primary metric.
        is_trained: whether other seeds would give other numbers.
    """
    summaries = plain(records, status)
    judged = task.judge(Contender(records, is_trained))
    for name in summaries.keys() & judged.keys():
        summaries[name] = _judged(summaries[name], judged[name])
    words = _remarks(records[-1])
    if words and status == OK and task.primary in summaries:
        summaries[task.primary] = replace(
            summaries[task.primary], status=CellStatus.note("; ".join(words))
        )
    return summaries


def _judged(plainly: Measurement, judgement: Judgement) -> Measurement:
    return replace(
        plainly,
        value=plainly.value if judgement.value is None else judgement.value,
        low=plainly.low if judgement.low is None else judgement.low,
        high=plainly.high if judgement.high is None else judgement.high,
        verdict=judgement.verdict,
    )


def _remarks(record: Record) -> list[str]:
    words = list(record.details.get("notes", []))
    if output := record.details.get("output"):
        words.append(f"evaluated on its output '{output}'")
    if unused := record.details.get("n_problems"):
        words.append(_unused_files(unused, record.details.get("problems", [])))
    return words


def _unused_files(count: int, problems: Sequence[str]) -> str:
    """Return ``7 files not used: red/notes.txt: not an image; and 6 more``."""
    named = "; ".join(problems[:_NAMED])
    more = f"; and {count - _NAMED} more, see records.jsonl" if count > _NAMED else ""
    return f"{plural(count, 'file')} not used: {named}{more}"
