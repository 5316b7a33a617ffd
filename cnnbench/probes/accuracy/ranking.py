"""Tiers of the networks of one training schedule: each task ranks its own.

Computed from records every time a table is made, never stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from cnnbench.metrics import column
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training_config import PRETRAINED
from cnnbench.probes.probe import setting_of
from cnnbench.record import Record
from cnnbench.tasks.task import TASKS, Contender


def columns(
    rows: Sequence[Mapping[str, Any]], records: Sequence[Sequence[Record]]
) -> list[dict[str, Any]]:
    """Return for every row its tier and what is open in it, one pair of columns a schedule."""
    found: list[dict[str, Any]] = [{} for _ in rows]
    schedules: dict[tuple[str, str], dict[int, list[Record]]] = defaultdict(dict)
    for place, of_row in enumerate(records):
        for record in of_row:
            setting = setting_of(record) if record.status == "ok" else None
            if isinstance(setting, AccuracySetting):
                contenders = schedules[setting.task, setting.label()]
                contenders.setdefault(place, []).append(record)
    for (name, label), by_place in schedules.items():
        task = TASKS[name]
        places = task.rank([contender(of_cell) for of_cell in by_place.values()])
        for place, stands in zip(by_place, places, strict=True):
            if stands is not None:
                found[place][column(f"{task.primary}_tier", label)] = stands.tier
                found[place][column(f"{task.primary}_ranking", label)] = stands.open
    return found


def contender(records: Sequence[Record]) -> Contender:
    """Return the evaluations of one cell, for a task to judge."""
    return Contender(records, records[-1].setting.get("recipe") != PRETRAINED)
