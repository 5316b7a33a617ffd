"""Run the jobs of a plan that are not done, on an executor, and append records to the journal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cnnbench import __version__
from cnnbench.environment import keras_backend
from cnnbench.errors import CnnbenchError, UserError, brief
from cnnbench.execution import executor as executors
from cnnbench.execution import run_folder
from cnnbench.execution.executor import Executor, JobEnded, JobProgress, JobStarted
from cnnbench.execution.job import JobResult
from cnnbench.execution.machine_use import MachineUse
from cnnbench.execution.planned_job import PlannedJob
from cnnbench.execution.run_folder import RunFolder
from cnnbench.execution.scheduler import JobScheduler
from cnnbench.probes.summary import unresolved_failures
from cnnbench.record import Record
from cnnbench.results.journal import Header, Journal
from cnnbench.suite.plan import Cell, Job, Plan
from cnnbench.text import plural


class Observer:
    """Follows a run; this one does nothing. Subclasses override what they show."""

    def remarks(self, message: str) -> None:
        """A setting of the suite does not apply to all models."""

    def waits(self, other: str) -> None:
        """The run waits until ``other`` has ended."""

    def warns(self, message: str) -> None:
        """Something distorts the measurement."""

    def begin(self, run: Path, done: int, left: Sequence[Job], records: Sequence[Record]) -> None:
        """The run is open: ``done`` jobs are done, and the jobs in ``left`` are to do."""

    def job_started(self, job: Job) -> None:
        """A job begins."""

    def job_progress(self, job: Job, message: str) -> None:
        """A job reports its progress."""

    def job_ended(self, job: Job, record: Record, left: Sequence[Job]) -> None:
        """A job has ended with ``record``, and the jobs in ``left`` are to do."""

    def close(self) -> None:
        """The run is over, however it ended."""


@dataclass(frozen=True)
class RunResult:
    """The folder of a run, and all records in it."""

    folder: Path
    records: tuple[Record, ...]


def open_run(plan: Plan, out: Path, executor: Executor, fresh: bool = False) -> RunFolder | None:
    """Return the run that `run` would continue, or None if it would begin a new one.

    Raises:
        UserError: a suite of that name is neither continued nor begun.
    """
    run_folder.check_name(plan)
    if fresh:
        return None
    return run_folder.newest(out, plan, executor.environment()["id"])


def run(
    plan: Plan,
    cells: Sequence[Cell],
    out: Path,
    observer: Observer,
    *,
    executor: Executor | None = None,
    fresh: bool = False,
    wait: bool = False,
    data_dir: Path | None = None,
    keras_2: bool = False,
    machine: MachineUse | None = None,
    finish: Callable[[Path], None] = lambda folder: None,
) -> RunResult:
    """Run the jobs of ``cells`` that are not done, and append a record after each.

    Args:
        plan, cells: the whole plan, and the part of it that is wanted.
        out: the results folder.
        observer: called with the progress.
        executor: where jobs run; by default on this machine.
        fresh: begin a new run in any case.
        wait: for another process that runs this suite here, instead of refusing; and for other
            runs that measure on this machine, instead of measuring at the same time.
        data_dir: where data sets and weights are.
        keras_2: build the models with Keras 2.
        machine: detects other runs on this machine.
        finish: makes tables from the records in the run's folder, however the run ended; no other
            process writes there meanwhile.

    Raises:
        UserError: the folder cannot be written, another process holds it, or the workers' Keras
            would not run on TensorFlow.
        KeyboardInterrupt: passed on, after the executor has ended its jobs.
    """
    executor = executor or executors.find()
    keras_backend.check_workers(data_dir)
    facts = executor.environment()
    kept = ""
    try:
        with run_folder.held(out, plan.suite.name, observer.waits if wait else None):
            folder = open_run(plan, out, executor, fresh) or run_folder.create(out, plan, facts)
            kept = "everything recorded so far is kept; rerun the command to resume"
            folder.check(out)
            folder.write_suite(plan)
            header = Header(plan=plan.id, environment=facts["id"], cnnbench=__version__)
            with Journal(folder.journal, header) as journal:
                try:
                    parts = plan, folder, journal, executor, observer, machine or MachineUse()
                    _Run(*parts, data_dir, keras_2).do(cells, wait)
                except BaseException:
                    with contextlib.suppress(Exception):
                        finish(folder.path)  # the first error is the one to report
                    raise
                finish(folder.path)
                return RunResult(folder.path, tuple(journal.records))
    except OSError as error:
        what = "the run cannot continue" if kept else "no run can begin"
        where, hint = str(error.filename or out), kept or "choose another folder with --out"
        # A connection's error may have a message only.
        raise UserError(f"{what}: {error.strerror or brief(error)}", where, hint) from None


@dataclass
class _Run:
    """State of one call of `run`."""

    plan: Plan
    folder: RunFolder
    journal: Journal
    executor: Executor
    observer: Observer
    machine: MachineUse
    data_dir: Path | None
    keras_2: bool
    running: dict[str, PlannedJob] = field(default_factory=dict)
    warned_of: set[str] = field(default_factory=set)
    fastest: dict[str, float] = field(default_factory=dict)

    def do(self, cells: Sequence[Cell], wait: bool) -> None:
        scheduler = todo(self.plan, cells, self.journal.records, self.folder)
        left = list(scheduler.left())
        self.observer.begin(self.folder.path, scheduler.done(), left, self.journal.records)
        if not left:
            return
        self.folder.logs.mkdir(exist_ok=True)
        for record in self.journal.records:
            self._note_fastest(record)
        times = not all(job.cell.setting.is_light for job in left)
        with contextlib.ExitStack() as stack:
            if times and self.executor.uses_this_machine:
                waits = self.observer.waits if wait else None
                stack.enter_context(self.machine.held(self.plan.suite.name, waits))
                if problem := self.machine.problem:
                    self.observer.warns(f"other runs on this machine cannot be seen: {problem}")
            stack.enter_context(self.executor)
            self._run_jobs(scheduler)

    def _run_jobs(self, scheduler: JobScheduler) -> None:
        jobs = iter(scheduler)
        self._submit(jobs)
        for event in self.executor.events():
            running = self.running[event.request.id]
            match event:
                case JobStarted():
                    self.observer.job_started(running.job)
                    running.start()
                    running.concurrent_runs = self._concurrent_runs(running.job)
                case JobProgress():
                    self.observer.job_progress(running.job, event.message)
                case JobEnded():
                    record = self._record(running, event.result)
                    if self._is_news(record):
                        self.journal.append(record)
                    self._note_fastest(record)
                    scheduler.add(record)
                    del self.running[event.request.id]
                    self.observer.job_ended(running.job, record, list(scheduler.left()))
                    self._submit(jobs)
        if self.running:
            raise CnnbenchError(
                f"the executor reported no end of {plural(len(self.running), 'job')}"
            )

    def _submit(self, jobs: Iterator[Job | None]) -> None:
        """Submit jobs until the executor is full, or the next one must wait for those in flight."""
        while len(self.running) < self.executor.capacity and (job := next(jobs, None)):
            attempt = len(self.journal.of(job.key)) + 1
            planned = PlannedJob(job, attempt, self.plan, self.folder)
            request = planned.request(self.data_dir, self.keras_2, self.fastest)
            self.running[request.id] = planned
            self.executor.submit(request)

    def _record(self, running: PlannedJob, result: JobResult) -> Record:
        duration_s = running.seconds()
        running.concurrent_runs |= self._concurrent_runs(running.job)
        of_run = self.executor.environment()
        environment = result.environment or of_run
        self.folder.write_environment(environment, of_run["id"])
        self.folder.clean_after(running.job, is_ok=result.status == "ok")
        return running.record(result, str(environment["id"]), duration_s)

    def _note_fastest(self, record: Record) -> None:
        """Keep the smallest values that jobs in this environment left for later ones."""
        if record.environment != self.executor.environment()["id"]:
            return
        for name, seconds in record.details.get("fastest", {}).items():
            self.fastest[name] = min(seconds, self.fastest.get(name, seconds))

    def _concurrent_runs(self, job: Job) -> set[str]:
        """Return the other runs that measure here now, and warn of each once."""
        if job.cell.setting.is_light or not self.executor.uses_this_machine:
            return set()
        others = set(self.machine.others())
        if new := sorted(others - self.warned_of):
            self.warned_of |= others
            self.observer.warns(
                f"also measuring on this machine: {' and '.join(new)}; concurrent runs distort "
                "each other's timings (--wait queues)"
            )
        return others

    def _is_news(self, record: Record) -> bool:
        """Return False for a second ``ok`` of a key, and for the same ``skipped`` as last time."""
        earlier = self.journal.of(record.key)
        if record.status == "ok":
            return not any(other.status == "ok" for other in earlier)
        if not earlier or record.status != "skipped":
            return True
        return (earlier[-1].status, earlier[-1].reason) != ("skipped", record.reason)


def todo(
    plan: Plan, cells: Sequence[Cell], records: Sequence[Record], folder: RunFolder | None
) -> JobScheduler:
    """Return the schedule of ``cells`` minus ``records``; ``folder`` holds their artifacts."""
    has_artifacts = folder.is_prepared if folder else lambda cell: False
    return JobScheduler(cells, records, plan.suite.limits.cell, has_artifacts)


def has_failures(cells: Sequence[Cell], records: Sequence[Record]) -> bool:
    """Return whether a job of these cells has failed and not succeeded since."""
    cell_of = {job.key: cell.key for cell in cells for job in cell.jobs()}
    of_cell: dict[str, list[Record]] = {}
    for record in records:
        if record.key in cell_of:
            of_cell.setdefault(cell_of[record.key], []).append(record)
    unresolved = (record for found in of_cell.values() for record in unresolved_failures(found))
    return any(record.status in ("failed", "timeout", "oom") for record in unresolved)
