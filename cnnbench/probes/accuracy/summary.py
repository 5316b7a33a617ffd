"""Summaries of accuracy cells, and tiers of the models under one schedule, as the task defines.

Computed every time a table is made, never stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from cnnbench.metrics import column
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training_config import EVALUATING
from cnnbench.probes.probe import setting_of
from cnnbench.probes.summary import plain
from cnnbench.record import Record
from cnnbench.row import Row
from cnnbench.statistics.measurement import OK, CellStatus, Measurement
from cnnbench.tasks.task import TASKS, Contender, Judgement, Task
from cnnbench.text import plural

_NAMED = 5  # files that a table names; a record names more


def summarise(records: Sequence[Record], status: CellStatus) -> dict[str, Measurement]:
    """Return every metric of one cell; a time to the target only if all seeds reached it."""
    setting = _setting(records[-1])
    is_trained = setting.recipe not in EVALUATING
    summaries = evaluated(setting.goal, records, status, is_trained=is_trained)
    found = summaries.get("time_to_target_s")
    reached = len(found.samples) if found else 0
    if setting.target is not None and reached < len(records):
        words = f"{reached} of {len(records)} seeds reached {100 * setting.target:g} %"
        summaries["time_to_target_s"] = Measurement(None, CellStatus.note(words))
    return summaries


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


def tiers(rows: Sequence[Row], records: Sequence[Sequence[Record]]) -> list[dict[str, Measurement]]:
    """Return two columns per schedule for every row: its tier, and what would separate the tier."""
    found: list[dict[str, Measurement]] = [{} for _ in rows]
    schedules: dict[tuple[str, str], dict[int, list[Record]]] = defaultdict(dict)
    for place, of_row in enumerate(records):
        for record in of_row:
            if record.status == "ok" and record.probe == AccuracySetting.probe:
                setting = _setting(record)
                contenders = schedules[setting.task, setting.label()]
                contenders.setdefault(place, []).append(record)
    for (name, label), by_place in schedules.items():
        task = TASKS[name]
        places = task.rank(
            [
                Contender(cell, _setting(cell[-1]).recipe not in EVALUATING)
                for cell in by_place.values()
            ]
        )
        for place, rank in zip(by_place, places, strict=True):
            if rank is not None:
                primary = column(task.primary, label)
                known = rows[place].get(primary)
                found[place][column(f"{task.primary}_tier", label)] = Measurement(rank.tier)
                found[place][primary] = replace(known, ranking=rank.open)
    return found


def behind(metric: str, best: int, cells: Sequence[Sequence[Record]]) -> Sequence[float] | None:
    """Return `Task.behind` of cells under one schedule; ``cells`` has the seeds of each."""
    contenders = [Contender(seeds, _setting(seeds[-1]).recipe not in EVALUATING) for seeds in cells]
    return _setting(cells[best][-1]).goal.behind(metric, best, contenders)


def _setting(record: Record) -> AccuracySetting:
    return cast(AccuracySetting, setting_of(record))
