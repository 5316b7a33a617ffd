"""Plan minus done -> executor -> journal. The one place where jobs are run and records written."""

from __future__ import annotations

import contextlib
import datetime
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnbench import __version__, environment
from cnnbench.environment import keras_backend
from cnnbench.errors import UserError
from cnnbench.execution import run_folder
from cnnbench.execution.local.executor import LocalExecutor
from cnnbench.execution.machine_use import MachineUse
from cnnbench.execution.run_folder import RunFolder
from cnnbench.execution.scheduler import JobScheduler
from cnnbench.execution.worker import JobRequest, JobResult, identity_text
from cnnbench.record import PREPARE, Record
from cnnbench.results.journal import Header, Journal
from cnnbench.suite.plan import Cell, Job, Plan

_READY = ".complete"


class Observer:
    """Who is told how the run goes on; this one tells nobody."""

    def waits(self, whom: str) -> None:
        """This run goes on when ``whom`` has ended."""

    def warns(self, message: str) -> None:
        """Warn of something that distorts the measurement."""

    def begin(self, run: Path, done: int, left: Sequence[Job], records: Sequence[Record]) -> None:
        """The run is open and ``left`` jobs are to do."""

    def job_started(self, job: Job) -> None:
        """A job begins."""

    def job_says(self, job: Job, message: str) -> None:
        """How far it is, in words."""

    def job_ended(self, job: Job, record: Record, left: Sequence[Job]) -> None:
        """A job has ended with ``record``, and ``left`` are to do."""


@dataclass(frozen=True)
class RunResult:
    """Where the run is, and all records that it holds."""

    folder: Path
    records: tuple[Record, ...]


def open_run(plan: Plan, out: Path, fresh: bool = False) -> RunFolder | None:
    """The run that ``run`` would continue, or None where it would begin a new one.

    Raises:
        UserError: a suite of that name is neither continued nor begun.
    """
    run_folder.check_name(plan)
    if fresh:
        return None
    return run_folder.newest(out, plan, environment.environment_id(environment.fingerprint()))


def run(
    plan: Plan,
    cells: Sequence[Cell],
    out: Path,
    observer: Observer,
    *,
    fresh: bool = False,
    wait: bool = False,
    data_dir: Path | None = None,
    keras_2: bool = False,
    machine: MachineUse | None = None,
    finish: Callable[[Path], None] = lambda folder: None,
) -> RunResult:
    """Do what is missing of ``cells``, record by record.

    Args:
        plan, cells: the whole plan, and the part of it that is wanted.
        out: the results folder.
        observer: told how it goes on.
        fresh: begin a new run in any case.
        wait: for another process that runs this suite here, instead of refusing; and for those
            that measure on this machine, instead of measuring beside them.
        data_dir: where data sets and weights are.
        keras_2: build the networks with Keras 2.
        machine: knows who else measures here.
        finish: makes what is made from the records, in the run's folder, however the run ended;
            no other process writes there meanwhile.

    Raises:
        UserError: the folder cannot be written, another process holds it, or the workers' Keras
            would not run on TensorFlow.
        KeyboardInterrupt: passed on, after the worker was killed.
    """
    keras_backend.check_workers(data_dir)
    facts = environment.describe()
    kept = ""
    try:
        with run_folder.held(out, plan.suite.name, observer.waits if wait else None):
            folder = open_run(plan, out, fresh) or run_folder.create(out, plan, facts)
            kept = "everything recorded so far is kept; the same command goes on from there"
            folder.check(out)
            folder.write_suite(plan)
            header = Header(plan=plan.id, environment=facts["id"], cnnbench=__version__)
            with Journal(folder.journal, header) as journal:
                try:
                    parts = plan, folder, journal, observer, machine or MachineUse()
                    _Run(*parts, data_dir, keras_2, facts["id"]).do(cells, wait)
                except BaseException:
                    with contextlib.suppress(Exception):
                        finish(folder.path)  # what went wrong first is what is said
                    raise
                finish(folder.path)
                return RunResult(folder.path, tuple(journal.records))
    except OSError as error:
        what = "the run cannot go on" if kept else "no run can be begun"
        where, hint = str(error.filename or out), kept or "--out chooses another folder"
        raise UserError(f"{what}: {error.strerror}", where, hint) from None


class _Run:
    """One execution of one run."""

    def __init__(
        self,
        plan: Plan,
        folder: RunFolder,
        journal: Journal,
        observer: Observer,
        machine: MachineUse,
        data_dir: Path | None,
        keras_2: bool,
        environment_id: str,
    ) -> None:
        self._plan, self._folder, self._journal = plan, folder, journal
        self._observer, self._machine = observer, machine
        self._data_dir, self._keras_2, self._environment_id = data_dir, keras_2, environment_id
        self._warned_of: set[str] = set()

    def do(self, cells: Sequence[Cell], wait: bool) -> None:
        schedule = todo(self._plan, cells, self._journal.records, self._folder)
        left = list(schedule.left())
        self._observer.begin(self._folder.path, schedule.done(), left, self._journal.records)
        if not left:
            return
        self._folder.logs.mkdir(exist_ok=True)
        with contextlib.ExitStack() as stack:
            if not all(job.cell.setting.is_light for job in left):
                waits = self._observer.waits if wait else None
                stack.enter_context(self._machine.held(self._plan.suite.name, waits))
                if problem := self._machine.problem:
                    self._observer.warns(f"other runs on this machine cannot be seen: {problem}")
            log = self._folder.logs / "server.log"
            executor = stack.enter_context(LocalExecutor(log, self._data_dir, self._keras_2))
            for job in schedule:
                self._observer.job_started(job)
                record = self._record(job, executor)
                if self._is_news(record):
                    self._journal.append(record)
                schedule.add(record)
                self._observer.job_ended(job, record, list(schedule.left()))

    def _record(self, job: Job, executor: LocalExecutor) -> Record:
        attempt = len(self._journal.of(job.key)) + 1
        order = self._order(job, attempt)
        started = datetime.datetime.now(datetime.UTC)
        clock = time.monotonic()
        beside = self._beside(job)
        outcome = executor.run(
            order, self._plan.suite.limits.timeout, lambda text: self._observer.job_says(job, text)
        )
        duration = time.monotonic() - clock
        beside |= self._beside(job)
        if job.repeat == PREPARE and outcome.status == "ok":
            (Path(order.artifacts) / _READY).touch()
        with contextlib.suppress(OSError):  # only where the job left nothing in them
            Path(order.scratch).rmdir()
            Path(order.artifacts).rmdir()
        log = Path(order.log).relative_to(self._folder.path.resolve()).as_posix()
        began = started.isoformat("T", "seconds")
        return self._as_record(job, attempt, outcome, log, began, duration, sorted(beside))

    def _beside(self, job: Job) -> set[str]:
        """The other runs that measure here now; the user is warned of each once."""
        others = set() if job.cell.setting.is_light else set(self._machine.others())
        if new := sorted(others - self._warned_of):
            self._warned_of |= others
            self._observer.warns(
                f"also measuring on this machine: {' and '.join(new)}; concurrent runs distort "
                "each other's timings (--wait queues)"
            )
        return others

    def _order(self, job: Job, attempt: int) -> JobRequest:
        cell, suite = job.cell, self._plan.suite
        artifacts = _artifacts(self._folder, cell)
        if job.repeat == PREPARE:
            shutil.rmtree(artifacts, ignore_errors=True)
        scratch = artifacts / f"scratch-{job.repeat}"
        scratch.mkdir(parents=True, exist_ok=True)
        words = re.sub(r"[^A-Za-z0-9.]+", "-", cell.title())[:80]
        log = self._folder.logs / f"{words}-{cell.key[:8]}-{job.repeat}-try{attempt}.log"
        return JobRequest(
            model=cell.model.text,
            search_path=tuple(str(folder) for folder in suite.search_path),
            probe=cell.probe,
            setting=cell.setting_json,
            repeat=job.repeat,
            # Whole paths: a builder may change the worker's directory.
            artifacts=str(artifacts.resolve()),
            scratch=str(scratch.resolve()),
            log=str(log.resolve()),
            data_dir=str(self._data_dir) if self._data_dir else None,
            memory_limit=suite.limits.memory,
            identity=identity_text(cell.identity),
        )

    def _as_record(
        self,
        job: Job,
        attempt: int,
        outcome: JobResult,
        log: str,
        started: str,
        duration: float,
        beside: Sequence[str],
    ) -> Record:
        # What was asked for, so that a table can say whether it was reached, and what disturbed.
        asked = {
            "precision": job.cell.rule.precision,
            "cell_limit_s": self._plan.suite.limits.cell if job.cell.rule.at_most > 1 else None,
            "beside": list(beside),
        }
        where = {"log": log} if outcome.status not in ("ok", "skipped") else {}
        return Record(
            key=job.key,
            attempt=attempt,
            model=job.cell.model.label,
            variant=job.cell.variant,
            probe=job.cell.probe,
            setting=job.cell.setting_json,
            repeat=job.repeat,
            status=outcome.status,
            reason=outcome.reason,
            input_shape=tuple(job.cell.model.input_shape),
            classes=job.cell.model.classes,
            metrics=outcome.metrics or {},
            samples=outcome.samples or {},
            details=(outcome.details or {}) | {name: x for name, x in asked.items() if x} | where,
            error=outcome.error,
            environment=self._environment_id,
            started=started,
            duration_s=round(duration, 3),
        )

    def _is_news(self, record: Record) -> bool:
        """Not a second ``ok`` (artifacts made again), nor the same ``skipped`` as last time."""
        earlier = self._journal.of(record.key)
        if record.status == "ok":
            return not any(other.status == "ok" for other in earlier)
        if not earlier or record.status != "skipped":
            return True
        return (earlier[-1].status, earlier[-1].reason) != ("skipped", record.reason)


def todo(
    plan: Plan, cells: Sequence[Cell], records: Sequence[Record], folder: RunFolder | None
) -> JobScheduler:
    """What is to do of ``cells`` on top of ``records``; ``folder`` is where artifacts would be."""
    return JobScheduler(
        cells,
        records,
        plan.suite.limits.cell,
        lambda cell: folder is not None and (_artifacts(folder, cell) / _READY).exists(),
    )


def _artifacts(folder: RunFolder, cell: Cell) -> Path:
    return folder.artifacts / cell.key
