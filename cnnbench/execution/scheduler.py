"""Order of the jobs: those of the plan that are not done, in rounds interleaved over the cells.

Odd rounds run in reverse. A machine that grows slower or faster thus affects all models alike, and
an interrupted suite has results for every model.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, zip_longest

from cnnbench.plugins import PROBES
from cnnbench.record import PREPARE, Record
from cnnbench.suite.plan import Cell, Job


class JobScheduler:
    """Jobs that are still to do, given all records so far; new records are added as jobs end.

    After a failure, the cell is skipped until the next run.
    """

    def __init__(
        self,
        cells: Iterable[Cell],
        records: Iterable[Record],
        cell_seconds: float | None,
        has_artifacts: Callable[[Cell], bool],
    ) -> None:
        self._cells = tuple(cells)
        self._cell_seconds = cell_seconds
        self._has_artifacts = has_artifacts
        self._cell_of = {job.key: cell for cell in self._cells for job in cell.jobs()}
        self._ok: dict[str, Record] = {}
        self._done: dict[str, list[Record]] = defaultdict(list)
        self._closed: set[str] = set()
        self._in_flight: set[str] = set()
        self._converged: dict[tuple[str, int], bool] = {}
        for record in records:
            self._note_ok(record)

    def add(self, record: Record) -> None:
        """Add the record of a job of this run, which has ended."""
        self._in_flight.discard(record.key)
        if record.status == "ok":
            self._note_ok(record)
        elif cell := self._cell_of.get(record.key):
            self._closed.add(cell.key)

    def __iter__(self) -> Iterator[Job | None]:
        """Yield jobs until none is left, and None while those in flight must end first.

        A job is in flight until its record is added. The ``prepare`` jobs of a stage run before its
        repeats, and each cell has at most one repeat in flight, so that no unneeded one begins.
        """
        for _, group in groupby(self._cells, key=_stage):
            yield from self._rounds(list(group))

    def left(self, at_most: bool = False) -> Iterator[Job]:
        """Yield the jobs that are still to do, as far as is known now.

        Includes the fewest rounds that the stopping rule requires, or with ``at_most`` the most
        that it allows, within the cell's time limit as estimated from its rounds so far.
        """
        for cell in self._cells:
            if self._is_finished(cell) or cell.key in self._closed:
                continue
            if cell.prepare and self._needs_prepare(cell):
                yield cell.prepare
            missing = [job for job in cell.repeats if job.key not in self._ok]
            wanted = (cell.rule.at_most if at_most else cell.rule.at_least) - self._count(cell)
            yield from missing[: max(1, min(wanted, self._affordable(cell)))]

    def done(self) -> int:
        """Return how many jobs of these cells are ``ok``."""
        return sum(1 for key in self._ok if key in self._cell_of)

    def _count(self, cell: Cell) -> int:
        return len(self._done[cell.key])

    def _seconds(self, cell: Cell) -> float:
        return sum(record.duration_s for record in self._done[cell.key])

    def _affordable(self, cell: Cell) -> int:
        """Return how many more rounds begin before the cell's time limit."""
        spent = self._seconds(cell)
        if not self._cell_seconds or not spent:
            return cell.rule.at_most
        return math.ceil((self._cell_seconds - spent) / (spent / self._count(cell)))

    def _note_ok(self, record: Record) -> None:
        if record.status != "ok":
            return
        self._ok[record.key] = record
        cell = self._cell_of.get(record.key)
        if cell is not None and record.repeat != PREPARE:
            self._done[cell.key].append(record)

    def _rounds(self, cells: list[Cell]) -> Iterator[Job | None]:
        for cell in cells:
            if cell.prepare and not self._is_finished(cell) and self._needs_prepare(cell):
                yield self._begun(cell.prepare)
        yield from self._wait()
        for number, jobs in enumerate(zip_longest(*(cell.repeats for cell in cells))):
            for job in jobs if number % 2 == 0 else reversed(jobs):
                if job is not None and self._wants(job):
                    yield self._begun(job)
            yield from self._wait()

    def _begun(self, job: Job) -> Job:
        self._in_flight.add(job.key)
        return job

    def _wait(self) -> Iterator[None]:
        while self._in_flight:
            yield None

    def _wants(self, job: Job) -> bool:
        return (
            job.key not in self._ok
            and job.cell.key not in self._closed
            and not self._needs_prepare(job.cell)
            and not self._is_finished(job.cell)
        )

    def _needs_prepare(self, cell: Cell) -> bool:
        job = cell.prepare
        return job is not None and (job.key not in self._ok or not self._has_artifacts(cell))

    def _is_finished(self, cell: Cell) -> bool:
        done = self._done[cell.key]
        if len(done) >= cell.rule.at_most:
            return True
        if self._cell_seconds and self._seconds(cell) >= self._cell_seconds:
            return bool(done)
        if len(done) < cell.rule.at_least or cell.rule.precision is None:
            return False
        state = (cell.key, len(done))
        if state not in self._converged:
            self._converged[state] = PROBES[cell.probe].is_precise(done, cell.rule.precision)
        return self._converged[state]


def _stage(cell: Cell) -> tuple[str, int]:
    return cell.probe, cell.setting.stage()
