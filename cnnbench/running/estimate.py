"""How long jobs will take, judged by what such jobs took before, in this run or in another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnbench.core.errors import CnnbenchError
from cnnbench.core.plan import Job
from cnnbench.core.record import PREPARE, Record, Repeat
from cnnbench.core.settings import Setting
from cnnbench.core.settings.accuracy import AccuracySetting
from cnnbench.store import journal

# Older runs say little that newer ones do not, and each is a file to read.
_RUNS_READ = 20

_Place = tuple[Any, ...]


def earlier(out: Path, environment_id: str) -> tuple[list[Record], list[Record]]:
    """The records of the newest runs in ``out``, whatever suite: of this environment, of others."""
    files = sorted(out.glob(f"*/*/{journal.FILE_NAME}"), key=lambda file: file.parent.name)
    here: list[Record] = []
    others: list[Record] = []
    for file in files[-_RUNS_READ:]:
        with contextlib.suppress(CnnbenchError):  # a damaged run is no reason to fail
            header, records = journal.read(file)
            (here if header.environment == environment_id else others).extend(records)
    return here, others


@dataclass
class _Took:
    """Sums over jobs: the seconds of training and the work done in them, and all other seconds."""

    jobs: int = 0
    other_s: float = 0.0
    training_s: float = 0.0
    training_work: float = 0.0

    def add(self, record: Record, setting: Setting) -> None:
        """One more."""
        work = setting.training_pixels() if record.status == "ok" else 0.0
        training_s = _training_s(record, setting) if work else 0.0
        self.jobs += 1
        self.other_s += record.duration_s - training_s
        self.training_s += training_s
        self.training_work += work

    def seconds(self, work: float) -> float:
        """What one job that trains on so many pixels will take."""
        rate = self.training_s / self.training_work if self.training_work else 0.0
        return self.other_s / self.jobs + work * rate


class Pace:
    """What jobs took, by how close they are to another: its setting, its model, its probe.

    Training takes longer the more epochs, images and pixels there are, and is scaled by them.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._sums: dict[_Place, _Took] = {}
        self._skipped: set[tuple[str, Setting]] = set()
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Learn from one more; what was skipped says nothing of how long it takes."""
        setting = journal.setting_of(record)
        cell = (record.model, setting)
        if record.status == "skipped":
            self._skipped.add(cell)
            return
        self._skipped.discard(cell)
        for place in _places(record.repeat, record.model, setting):
            self._sums.setdefault(place, _Took()).add(record, setting)

    def skips(self, job: Job) -> bool:
        """Whether its cell was skipped when it was last tried."""
        return (job.cell.model.label, job.cell.setting) in self._skipped

    def of(self, job: Job) -> float | None:
        """Seconds that ``job`` will take, by the closest that is known."""
        cell = job.cell
        for place in _places(job.repeat, cell.model.label, cell.setting):
            if place in self._sums:
                return self._sums[place].seconds(cell.setting.training_pixels())
        return None


def time_left(left: Iterable[Job], pace: Pace, *elsewhere: Pace) -> float | None:
    """Seconds that ``left`` will take; None where nothing like half of the jobs was ever run.

    ``pace`` is of this run; where it knows nothing of a job, ``elsewhere`` is asked in turn. What
    was skipped when last tried is expected to be skipped again, in no time.
    """
    jobs = [job for job in left if not pace.skips(job)]
    if not jobs:
        return 0.0
    asked = (pace, *elsewhere)
    found = (next((s for p in asked if (s := p.of(job)) is not None), None) for job in jobs)
    seconds = [one for one in found if one is not None]
    if len(seconds) <= len(jobs) / 2:
        return None
    return sum(seconds) * len(jobs) / len(seconds)


def _training_s(record: Record, setting: Setting) -> float:
    """The part of a job that grows with its training: without the first epoch's tracing."""
    seconds = record.metrics.get("train_s", 0.0)
    if isinstance(setting, AccuracySetting) and setting.recipe == "scratch":
        seconds = min(seconds, record.metrics.get("epoch_s", seconds) * setting.epochs)
    return min(seconds, record.duration_s)


def _places(repeat: Repeat, model: str, setting: Setting) -> Iterator[_Place]:
    """What a job's duration is kept under, the closest first."""
    kind = f"{setting.probe} {PREPARE}" if repeat == PREPARE else setting.kind()
    yield kind, model, setting
    yield kind, model
    yield (kind,)
