"""Lanes: jobs that stay together; and the interface through which the runner takes jobs.

A *lane* is a sequence of jobs that one machine runs in the order of the scheduler. Everything that
is compared by time or memory is one lane: all cells of a column, all rounds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Hashable, Sequence
from typing import Protocol

from cnnbench.execution.scheduler import JobScheduler
from cnnbench.record import Record
from cnnbench.suite.plan import Cell, Job

LaneKey = tuple[Hashable, ...]


class Dispatcher(Protocol):
    """Hands out the jobs of a schedule."""

    def begun_elsewhere(self) -> Sequence[Record]:
        """Return the results that are void because their machine is not there any more.

        These are results of an earlier call, of lanes that are not done. To be called once, before
        the first job is taken.
        """

    def take(self) -> tuple[Job, str] | None:
        """Return a job that may begin now, and its host; None until a job ends or all are done."""

    def ended(self, job: Job, host: str, is_lost: bool = False) -> None:
        """Note that a job has ended whose record the scheduler has; with its machine if lost."""

    def lose(self, host: str) -> Sequence[Record]:
        """Give up a machine; return the results that are void by that."""


class Lanes:
    """Lanes of the cells of a schedule, and the machines that they began on.

    Attributes:
        cells: of each lane; those whose jobs are lanes of their own are left out.
        host_of: the machine of each lane that has results.
    """

    def __init__(self, scheduler: JobScheduler) -> None:
        self._scheduler = scheduler
        settings = {cell.setting for cell in scheduler.cells}
        self._sharing = {one.probe for one in settings if one.shares_files or one.stage()}
        self._measuring = {one.probe for one in settings if one.depends_on_machine}
        self.cells: dict[LaneKey, list[Cell]] = defaultdict(list)
        self.host_of: dict[LaneKey, str] = {}
        for cell in scheduler.cells:
            if (key := self.key_of(cell)) is not None:
                self.cells[key].append(cell)
                for record in scheduler.results(cell):
                    self.host_of[key] = record.host

    def key_of(self, cell: Cell) -> LaneKey | None:
        """Return the key of the lane that a cell belongs to; None if each of its jobs is one."""
        probe, setting = cell.probe, cell.setting
        if probe in self._sharing and probe in self._measuring:
            return (probe,)  # what its columns need was made by earlier stages, for all of them
        if probe in self._sharing:
            return probe, cell.model.label
        if setting.depends_on_machine:
            return probe, setting.label()
        if cell.prepare or cell.rule.at_least < cell.rule.at_most:
            return cell.probe, cell.key
        return None

    def left(self) -> set[LaneKey | None]:
        """Return the keys of the lanes that are not done."""
        return {self.key_of(job.cell) for job in self._scheduler.left()}

    def begun_elsewhere(self, hosts: Container[str]) -> list[Record]:
        """Let the lanes that are not done and began on another machine begin anywhere.

        Returns:
            Their results so far.
        """
        left = self.left()
        gone = [key for key, host in self.host_of.items() if host not in hosts and key in left]
        return [record for key in gone for record in self.release(key)]

    def release(self, key: LaneKey) -> list[Record]:
        """Let a lane begin anywhere; return its results so far."""
        self.host_of.pop(key, None)
        return [record for cell in self.cells[key] for record in self._scheduler.results(cell)]


class InOrder:
    """Hands out jobs in the order of the schedule, so many at once; the executor places them."""

    def __init__(self, scheduler: JobScheduler, capacity: int) -> None:
        self._scheduler = scheduler
        self._jobs = iter(scheduler)
        self._free = capacity

    def begun_elsewhere(self) -> Sequence[Record]:
        """Return the results that machines of a cluster left in lanes that are not done."""
        return Lanes(self._scheduler).begun_elsewhere({""})

    def take(self) -> tuple[Job, str] | None:
        """Return the next job, without a host."""
        job = next(self._jobs, None) if self._free else None
        if job is None:
            return None
        self._free -= 1
        return job, ""

    def ended(self, job: Job, host: str, is_lost: bool = False) -> None:
        """Make room for another job."""
        self._free += 1

    def lose(self, host: str) -> Sequence[Record]:
        """Return nothing: there is one machine."""
        return ()
