"""How long jobs will take, judged by what such jobs took before, in this run or in another."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from cnnbench.core.errors import CnnbenchError
from cnnbench.core.plan import Job
from cnnbench.core.record import PREPARE, Record, Repeat
from cnnbench.store import journal

# Older runs say little that newer ones do not, and each is a file to read.
_RUNS_READ = 20

_Place = tuple[str, ...]


def earlier(out: Path, environment_id: str) -> list[Record]:
    """The records of the newest runs of all suites in ``out``: of this environment, else of any."""
    files = sorted(out.glob(f"*/*/{journal.FILE_NAME}"), key=lambda file: file.parent.name)
    runs: list[tuple[journal.Header, list[Record]]] = []
    for file in files[-_RUNS_READ:]:
        with contextlib.suppress(CnnbenchError):  # a damaged run is no reason to fail
            runs.append(journal.read(file))
    here = [records for header, records in runs if header.environment == environment_id]
    return [record for records in here or [r for _, r in runs] for record in records]


class Pace:
    """What jobs took, by how close they are to another: its setting, its model, its probe."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._sums: dict[_Place, tuple[float, int]] = {}
        self._skipped: set[_Place] = set()
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Learn from one more; what was skipped says nothing of how long it takes."""
        words = json.dumps(record.setting, sort_keys=True)
        cell = (record.probe, record.model, words)
        if record.status == "skipped":
            self._skipped.add(cell)
            return
        self._skipped.discard(cell)
        for place in _places(record.probe, record.repeat, record.model, words):
            total, count = self._sums.get(place, (0.0, 0))
            self._sums[place] = total + record.duration_s, count + 1

    def skips(self, job: Job) -> bool:
        """Whether its cell was skipped when it was last tried."""
        return (job.cell.probe, job.cell.model.label, job.cell.setting_text) in self._skipped

    def of(self, job: Job) -> float | None:
        """Seconds that ``job`` will take, by the closest that is known."""
        cell = job.cell
        for place in _places(cell.probe, job.repeat, cell.model.label, cell.setting_text):
            if place in self._sums:
                total, count = self._sums[place]
                return total / count
        return None


def time_left(left: Iterable[Job], pace: Pace, elsewhere: Pace | None = None) -> float | None:
    """Seconds that ``left`` will take; None where nothing like half of the jobs was ever run.

    ``pace`` is of this run; where it knows nothing of a job, ``elsewhere`` is asked. What was
    skipped when last tried is expected to be skipped again, in no time.
    """
    jobs = [job for job in left if not pace.skips(job)]
    if not jobs:
        return 0.0
    asked = [pace, *([elsewhere] if elsewhere else [])]
    found = (next((s for p in asked if (s := p.of(job)) is not None), None) for job in jobs)
    seconds = [one for one in found if one is not None]
    if len(seconds) <= len(jobs) / 2:
        return None
    return sum(seconds) * len(jobs) / len(seconds)


def _places(probe: str, repeat: Repeat, model: str, setting: str) -> Iterator[_Place]:
    """What a job's duration is kept under, the closest first."""
    kind = f"{probe} {PREPARE}" if repeat == PREPARE else probe
    yield kind, model, setting
    yield kind, model
    yield (kind,)
