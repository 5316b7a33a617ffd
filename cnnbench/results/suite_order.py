"""Order of records as a suite has them, for runs whose jobs did not end in that order.

The shards of a suite are merged in it, and the jobs of a run are put into it before tables are
made, so that those of many machines have the rows, columns and samples of a run on one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from cnnbench.plugins import PROBES
from cnnbench.probes.probe import setting_of
from cnnbench.record import PREPARE, Record
from cnnbench.results import run_files

Place = tuple[int, int, int]


def place_of(folder: Path) -> Callable[[Record], Place] | None:
    """Return the function from a record to its place, by model, probe and setting.

    None for a run of an earlier version, which does not say how its suite is ordered.
    """
    models, settings = run_files.order(folder)
    if not models:
        return None
    model_at = {model: place for place, model in enumerate(models)}
    setting_at = {setting: place for place, setting in enumerate(settings)}
    probe_at = {probe: place for place, probe in enumerate(PROBES)}

    def place(record: Record) -> Place:
        label = f"{record.probe} {setting_of(record).label()}"
        return (
            model_at.get(record.model, len(models)),
            probe_at[record.probe],
            setting_at.get(label, len(settings)),
        )

    return place


def sort(records: Iterable[Record], folder: Path) -> list[Record]:
    """Return the records in the order of their suite, whichever ended first.

    An executor may run several jobs at a time and need not say where.
    """
    records = list(records)
    place = place_of(folder)
    if place is None:
        return records
    return sorted(records, key=lambda one: (place(one), _number(one), one.attempt))


def _number(record: Record) -> int:
    return -1 if record.repeat == PREPARE else int(record.repeat)
