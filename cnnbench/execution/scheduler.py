"""Order of the jobs: those of the plan that are not done, in rounds interleaved over the cells.

Odd rounds run in reverse. A machine that grows slower or faster thus affects all models alike, and
an interrupted suite has results for every model.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from cnnbench.execution.estimate import Pace
from cnnbench.execution.job import JobResult
from cnnbench.execution.search import Search
from cnnbench.plugins import PROBES
from cnnbench.record import LEFT_OUT, NODE_LOST, PREPARE, Record, standing
from cnnbench.suite.plan import Cell, Job, Network

# A job that was in flight so often when its machine was lost may be the reason.
MOST_LOSSES = 3


class JobScheduler:
    """Jobs that are still to do, given all records so far; new records are added as jobs end.

    After a failure, the cell is skipped until the next run. With a search, jobs come in its waves,
    and those that it leaves out do not come.
    """

    def __init__(
        self,
        cells: Iterable[Cell],
        records: Iterable[Record],
        cell_seconds: float | None,
        has_artifacts: Callable[[Cell], bool],
        search: Search | None = None,
    ) -> None:
        self._cells = tuple(cells)
        self._search = search
        self._records: list[Record] = []
        self.left_out: Mapping[Network, str] = {}
        self._cell_seconds = cell_seconds
        self._has_artifacts = has_artifacts
        self._cell_of = {job.key: cell for cell in self._cells for job in cell.jobs()}
        self._ok: dict[str, Record] = {}
        self._done: dict[str, list[Record]] = defaultdict(list)
        self._closed: set[str] = set()
        self._in_flight: set[str] = set()
        self._losses: Counter[str] = Counter()
        self._converged: dict[tuple[str, int], bool] = {}
        for record in standing(records):
            self._records.append(record)
            self._note_ok(record)
        self._next_wave()

    def add(self, record: Record) -> None:
        """Add the record of a job of this run, which has ended."""
        self._in_flight.discard(record.key)
        self._records.append(record)
        if record.status == "ok":
            self._note_ok(record)
        elif cell := self._cell_of.get(record.key):
            self._losses[record.key] += NODE_LOST in record.details
            if NODE_LOST not in record.details or self._losses[record.key] >= MOST_LOSSES:
                self._closed.add(cell.key)

    def make_void(self, record: Record) -> None:
        """Add a record that makes the result of its job void: the job is to be done again."""
        earlier = self._ok.pop(record.key)
        cell = self._cell_of[record.key]
        done = self._done[cell.key]
        self._done[cell.key] = [other for other in done if other is not earlier]
        for count in range(len(done) + 1):
            self._converged.pop((cell.key, count), None)
        self._records.append(record)

    def results(self, cell: Cell) -> Iterator[Record]:
        """Yield the records of a cell's jobs that are ``ok``."""
        return (self._ok[job.key] for job in cell.jobs() if job.key in self._ok)

    @property
    def cells(self) -> Sequence[Cell]:
        """The cells whose jobs are scheduled."""
        return self._cells

    def __iter__(self) -> Iterator[Job | None]:
        """Yield jobs until none is left, and None while those in flight must end first.

        A job is in flight until its record is added. The ``prepare`` jobs of a stage run before its
        repeats, and each cell has at most one repeat in flight, so that no unneeded one begins.
        """
        for batch in self.batches():
            yield from self.in_stages(batch)

    def batches(self) -> Iterator[Sequence[Job]]:
        """Yield all jobs; with a search, those of a wave, when all of the wave before have ended.

        Those that are done or not wanted any more are among them; `in_stages` leaves them out.
        """
        if self._search is None:
            yield [job for cell in self._cells for job in cell.jobs()]
            return
        while wave := self._next_wave():
            yield wave

    def in_stages(self, jobs: Iterable[Job]) -> Iterator[Job | None]:
        """Yield jobs stage by stage, each in rounds, and None while some of them must end first."""
        for _, group in groupby(jobs, key=lambda job: _stage(job.cell)):
            yield from self._in_rounds(group)

    def left(self, at_most: bool = False) -> Iterator[Job]:
        """Yield the jobs that are still to do, as far as is known now.

        Includes the fewest rounds that the stopping rule requires, or with ``at_most`` the most
        that it allows, within the cell's time limit as estimated from its rounds so far.
        """
        for cell in self._cells:
            if self._is_finished(cell) or cell.key in self._closed or self.is_left_out(cell):
                continue
            if cell.prepare and self._needs_prepare(cell):
                yield cell.prepare
            missing = [job for job in cell.repeats if job.key not in self._ok]
            wanted = (cell.rule.at_most if at_most else cell.rule.at_least) - self._count(cell)
            yield from missing[: max(1, min(wanted, self._affordable(cell)))]

    def is_left_out(self, cell: Cell) -> bool:
        """Return whether the search does not need a cell any more."""
        return self._search is not None and not self._search.needs(cell, self.left_out)

    def omissions(self, pace: Pace) -> Iterator[tuple[Job, JobResult]]:
        """Yield the first job of every cell that the search left out, with the result to record.

        It has the reason, the number of repeats that were not run, and how long they would take.
        Decisions never depend on it.

        Args:
            pace: durations of the jobs of the run.
        """
        for cell in self._cells:
            missing = self._missing(cell) if self.is_left_out(cell) else []
            if missing and cell.network in self.left_out:
                times = [pace.of(job) for job in missing]
                known = [time for time in times if time is not None]
                what = {
                    "repeats": sum(job.repeat != PREPARE for job in missing),
                    "seconds": round(sum(known), 3) if len(known) == len(times) else None,
                }
                result = JobResult("skipped", self.left_out[cell.network], details={LEFT_OUT: what})
                yield missing[0], result

    def _missing(self, cell: Cell) -> list[Job]:
        """Return the jobs of a cell that are not done: the fewest that its rule requires."""
        if self._is_finished(cell):
            return []
        repeats = [job for job in cell.repeats if job.key not in self._ok]
        before = [cell.prepare] if cell.prepare and cell.prepare.key not in self._ok else []
        return [*before, *repeats[: max(1, cell.rule.at_least - self._count(cell))]]

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

    def _next_wave(self) -> list[Job]:
        """Return the jobs that the search needs next, and note what it leaves out."""
        if self._search is None:
            return []
        state = self._search.state(standing(self._records), self._wants)
        self.left_out = state.left_out
        return list(state.wave)

    def _in_rounds(self, jobs: Iterable[Job]) -> Iterator[Job | None]:
        """Yield jobs in rounds, after the ``prepare`` jobs among them."""
        rounds: dict[int, list[Job]] = defaultdict(list)
        begun: set[str] = set()
        for job in jobs:
            if job.repeat != PREPARE:
                rounds[job.repeat].append(job)
            elif self._wants(job):
                yield self._begun(job, begun)
        yield from self._wait(begun)
        for number in sorted(rounds):
            for job in rounds[number] if number % 2 == 0 else reversed(rounds[number]):
                if self._wants(job):
                    yield self._begun(job, begun)
            yield from self._wait(begun)

    def _begun(self, job: Job, begun: set[str]) -> Job:
        self._in_flight.add(job.key)
        begun.add(job.key)
        return job

    def _wait(self, begun: set[str]) -> Iterator[None]:
        """Yield None while a job of ``begun`` is in flight; empty it then."""
        while not begun.isdisjoint(self._in_flight):
            yield None
        begun.clear()

    def _wants(self, job: Job) -> bool:
        if job.cell.key in self._closed or self._is_finished(job.cell):
            return False
        if job.repeat == PREPARE:
            return self._needs_prepare(job.cell)
        return job.key not in self._ok and not self._needs_prepare(job.cell)

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
