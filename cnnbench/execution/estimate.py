"""How long jobs will take, judged by what such jobs took before, in this run or in another."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cnnbench.errors import CnnbenchError
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.probe import setting_of
from cnnbench.probes.settings import Setting
from cnnbench.record import PREPARE, Record, Repeat
from cnnbench.results import journal
from cnnbench.suite.plan import Job

# Older runs say little that newer ones do not, and each is a file to read.
_RUNS_READ = 20

_Place = tuple[Any, ...]
_T = TypeVar("_T")


def earlier(out: Path, environment_id: str) -> tuple[list[Record], list[Record]]:
    """The records of the newest runs in ``out``, whatever suite: of this environment, of others.

    What another environment skipped (no GPU, a package missing) says nothing of this one.
    """
    files = sorted(out.glob(f"*/*/{journal.FILE_NAME}"), key=lambda file: file.parent.name)
    here: list[Record] = []
    others: list[Record] = []
    for file in files[-_RUNS_READ:]:
        with contextlib.suppress(CnnbenchError):  # a damaged run is no reason to fail
            header, records = journal.read(file)
            if header.environment == environment_id:
                here.extend(records)
            else:
                others.extend(record for record in records if record.status != "skipped")
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
        work = setting.training_pixels(record.input_shape) if record.status == "ok" else 0.0
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
        self._skipped: dict[tuple[str, Setting], bool] = {}
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Learn from one more; what was skipped says nothing of how long it takes."""
        setting = setting_of(record)
        self._skipped[record.model, setting] = record.status == "skipped"
        if record.status == "skipped":
            return
        for place in _places(record.repeat, record.model, setting):
            self._sums.setdefault(place, _Took()).add(record, setting)

    def skips(self, job: Job) -> bool | None:
        """Whether its cell was skipped when it was last tried; None where it never was tried."""
        return self._skipped.get((job.cell.model.label, job.cell.setting))

    def of(self, job: Job) -> float | None:
        """Seconds that ``job`` will take, by the closest that is known."""
        cell = job.cell
        for place in _places(job.repeat, cell.model.label, cell.setting):
            if place in self._sums:
                work = cell.setting.training_pixels(cell.model.input_shape)
                return self._sums[place].seconds(work)
        return None


@dataclass(frozen=True)
class Outlook:
    """What is to come, as far as it can be told.

    Attributes:
        jobs: how many will run.
        skipped: how many belong to what was skipped when last tried; they take no time.
        seconds: what the jobs will take; None where nothing like half of them was ever run.
    """

    jobs: int
    skipped: int
    seconds: float | None


def outlook(
    left: Iterable[Job], paces: Sequence[Pace], cell_seconds: float | None = None
) -> Outlook:
    """What ``left`` will take.

    Args:
        left: the jobs, in any order.
        paces: the first that knows something of a job is its judge.
        cell_seconds: no round of a cell begins after that much of its rounds.
    """
    skipped = 0
    found: list[float | None] = []
    spent: dict[str, float] = defaultdict(float)
    for job in left:
        if _first(pace.skips(job) for pace in paces):
            skipped += 1
            continue
        seconds = _first(pace.of(job) for pace in paces)
        if seconds and job.repeat != PREPARE:
            if cell_seconds and spent[job.cell.key] >= cell_seconds:
                continue
            spent[job.cell.key] += seconds
        found.append(seconds)
    known = [one for one in found if one is not None]
    if found and len(known) <= len(found) / 2:
        return Outlook(len(found), skipped, None)
    whole = sum(known) * len(found) / len(known) if known else 0.0
    return Outlook(len(found), skipped, whole)


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


def _first(found: Iterable[_T | None]) -> _T | None:
    return next((one for one in found if one is not None), None)
