"""Estimated durations of jobs, from the durations of earlier jobs of this run and of others."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cnnbench.errors import CnnbenchError
from cnnbench.probes.probe import setting_of
from cnnbench.probes.settings import Setting
from cnnbench.record import PREPARE, Record, Repeat
from cnnbench.results import journal
from cnnbench.suite.plan import Job

# Older runs add little, and each costs reading a file.
_RUNS_READ = 20

_Key = tuple[str | Setting, ...]
_T = TypeVar("_T")


def earlier(out: Path, environment_id: str) -> tuple[list[Record], list[Record]]:
    """Return the records of the newest runs in ``out``, of any suite.

    Jobs that another environment skipped (no GPU, a missing package) are left out.

    Returns:
        Records of this environment, and of others.
    """
    files = sorted(out.glob(f"*/*/{journal.FILE_NAME}"), key=lambda file: file.parent.name)
    here: list[Record] = []
    others: list[Record] = []
    for file in files[-_RUNS_READ:]:
        with contextlib.suppress(CnnbenchError):  # a damaged run must not fail the estimate
            header, records = journal.read(file)
            if header.environment == environment_id:
                here.extend(records)
            else:
                others.extend(record for record in records if record.status != "skipped")
    return here, others


@dataclass
class _Durations:
    """Sums over jobs: seconds of training, the pixels trained on in them, and all other seconds."""

    jobs: int = 0
    other_s: float = 0.0
    training_s: float = 0.0
    training_work: float = 0.0

    def add(self, record: Record, setting: Setting) -> None:
        """Add the duration of one more job."""
        work = setting.training_pixels(record.input_shape) if record.status == "ok" else 0.0
        training_s = (
            min(setting.training_seconds(record.metrics), record.duration_s) if work else 0.0
        )
        self.jobs += 1
        self.other_s += record.duration_s - training_s
        self.training_s += training_s
        self.training_work += work

    def seconds(self, work: float) -> float:
        """Return the expected seconds of a job that trains on ``work`` pixels."""
        rate = self.training_s / self.training_work if self.training_work else 0.0
        return self.other_s / self.jobs + work * rate


class Pace:
    """Durations of known jobs, to estimate others from the most similar ones.

    The same setting and model are most similar, then the same kind of setting and model, then the
    kind alone. Training is scaled by the number of pixels trained on.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._sums: dict[_Key, _Durations] = {}
        self._skipped: dict[tuple[str, Setting], bool] = {}
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Add a record; a skipped job has no duration, and one that was left out tells nothing."""
        if record.is_left_out:
            return
        setting = setting_of(record)
        self._skipped[record.model, setting] = record.status == "skipped"
        if record.status == "skipped":
            return
        for key in _keys(record.repeat, record.model, setting):
            self._sums.setdefault(key, _Durations()).add(record, setting)

    def skips(self, job: Job) -> bool | None:
        """Return whether its cell was skipped in its last run; None if it has never run."""
        return self._skipped.get((job.cell.model.label, job.cell.setting))

    def of(self, job: Job) -> float | None:
        """Return the expected seconds of a job; None if no comparable one is known."""
        cell = job.cell
        for key in _keys(job.repeat, cell.model.label, cell.setting):
            if key in self._sums:
                work = cell.setting.training_pixels(cell.input_and_classes[0])
                return self._sums[key].seconds(work)
        return None


@dataclass(frozen=True)
class Outlook:
    """Estimate for the remaining jobs.

    Attributes:
        jobs: how many will run.
        skipped: how many belong to cells that were skipped in their last run; they take no time.
        seconds: expected duration; None if at most half of the jobs have a comparable one.
    """

    jobs: int
    skipped: int
    seconds: float | None


def outlook(
    left: Iterable[Job], paces: Sequence[Pace], cell_seconds: float | None = None
) -> Outlook:
    """Estimate the duration of ``left``.

    Args:
        left: the jobs, in any order.
        paces: sources of durations; the first with a comparable job decides.
        cell_seconds: time limit of a cell; no round begins after it.
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


def _keys(repeat: Repeat, model: str, setting: Setting) -> Iterator[_Key]:
    """Yield the keys under which a job's duration is kept, most specific first."""
    kind = f"{setting.probe} {PREPARE}" if repeat == PREPARE else setting.kind()
    yield kind, model, setting
    yield kind, model
    yield (kind,)


def _first(found: Iterable[_T | None]) -> _T | None:
    return next((one for one in found if one is not None), None)
