"""Records of accuracy -> numbers of a cell and tiers of a schedule, as the task makes them.

Computed every time a table is made, never stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from cnnbench.metrics import column
from cnnbench.probes.accuracy.evaluation_summary import evaluated
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training_config import PRETRAINED
from cnnbench.probes.probe import setting_of
from cnnbench.record import Record
from cnnbench.row import Row
from cnnbench.statistics.measurement import CellStatus, Measurement
from cnnbench.tasks.task import DEFAULT, TASKS, Contender


def summarise(records: Sequence[Record], status: CellStatus) -> dict[str, Measurement]:
    """Return every metric of one cell; a time to the target only where all seeds reached it."""
    setting = records[-1].setting
    task = TASKS.find(setting.get("task", DEFAULT))
    summaries = evaluated(task, records, status, is_trained=_is_trained(records))
    return summaries | _time_to_target(records, summaries.get("time_to_target_s"))


def _time_to_target(records: Sequence[Record], found: Measurement | None) -> dict[str, Measurement]:
    """Return how many seeds reached the target, unless all did."""
    target = records[-1].setting.get("target_top1")
    reached = len(found.samples) if found else 0
    if target is None or reached == len(records):
        return {}
    words = f"{reached} of {len(records)} seeds reached {100 * target:g} %"
    return {"time_to_target_s": Measurement(None, CellStatus.note(words))}


def tiers(rows: Sequence[Row], records: Sequence[Sequence[Record]]) -> list[dict[str, Measurement]]:
    """Return the tier of every row, and why its order is open, in columns of each schedule."""
    found: list[dict[str, Measurement]] = [{} for _ in rows]
    schedules: dict[tuple[str, str], dict[int, list[Record]]] = defaultdict(dict)
    for place, of_row in enumerate(records):
        for record in of_row:
            setting = setting_of(record) if record.status == "ok" else None
            if isinstance(setting, AccuracySetting):
                contenders = schedules[setting.task, setting.label()]
                contenders.setdefault(place, []).append(record)
    for (name, label), by_place in schedules.items():
        task = TASKS[name]
        places = task.rank(
            [Contender(of_cell, _is_trained(of_cell)) for of_cell in by_place.values()]
        )
        for place, ranked in zip(by_place, places, strict=True):
            if ranked is not None:
                primary = column(task.primary, label)
                known = rows[place].get(primary)
                found[place][column(f"{task.primary}_tier", label)] = Measurement(ranked.tier)
                found[place][primary] = replace(known, ranking=ranked.open)
    return found


def _is_trained(records: Sequence[Record]) -> bool:
    return records[-1].setting.get("recipe") != PRETRAINED
