"""Run the jobs of a plan that are not done, on an executor, and append records to the journal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cnnbench import __version__
from cnnbench.environment import keras_backend
from cnnbench.errors import CnnbenchError, UserError, brief
from cnnbench.execution import executor as executors
from cnnbench.execution import planned_job, run_folder
from cnnbench.execution.estimate import Pace
from cnnbench.execution.executor import Cluster, Executor, JobEnded, JobProgress, JobStarted
from cnnbench.execution.job import JobResult
from cnnbench.execution.lanes import Dispatcher, InOrder
from cnnbench.execution.machine_use import MachineUse
from cnnbench.execution.observer import Observer
from cnnbench.execution.placement import Placement
from cnnbench.execution.planned_job import PlannedJob
from cnnbench.execution.run_folder import RunFolder
from cnnbench.execution.scheduler import JobScheduler
from cnnbench.execution.search import Search
from cnnbench.probes.summary import unresolved_failures
from cnnbench.record import LEFT_OUT, NODE_LOST, Record, model_title, standing
from cnnbench.results.journal import Header, Journal
from cnnbench.suite.plan import Cell, Job, Network, Plan
from cnnbench.text import plural


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
    everything: bool = False,
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
        everything: measure what the search for an answer would leave out, too.
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
                    wanted = plan.without_question() if everything else plan
                    parts = wanted, folder, journal, executor, observer, machine or MachineUse()
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
    fastest: dict[str, dict[str, float]] = field(default_factory=dict)  # by host
    told_of: set[Network] = field(default_factory=set)

    def do(self, cells: Sequence[Cell], wait: bool) -> None:
        scheduler = todo(self.plan, cells, self.journal.records, self.folder)
        left = list(scheduler.left())
        self.observer.begin(self.folder.path, scheduler.done(), left, self.journal.records)
        self.folder.logs.mkdir(exist_ok=True)
        try:
            if left:
                self._work(scheduler, left, wait)
        finally:
            self._record_omissions(scheduler)

    def _work(self, scheduler: JobScheduler, left: Sequence[Job], wait: bool) -> None:
        for record in self.journal.records:
            self._note_fastest(record)
        with contextlib.ExitStack() as stack:
            times = not all(job.cell.setting.is_light for job in left)
            if times and self.executor.uses_this_machine:
                waits = self.observer.waits if wait else None
                stack.enter_context(self.machine.held(self.plan.suite.name, waits))
                if problem := self.machine.problem:
                    self.observer.warns(f"other runs on this machine cannot be seen: {problem}")
            stack.enter_context(self.executor)
            self._run_jobs(scheduler, self._dispatcher(scheduler))

    def _dispatcher(self, scheduler: JobScheduler) -> Dispatcher:
        if not isinstance(self.executor, Cluster):
            return InOrder(scheduler, self.executor.capacity)
        pace = Pace(self.journal.records)
        nodes = self.executor.nodes()
        for reason in self.executor.left_out():
            self.observer.warns(f"a node is left out: {reason}")
        self.observer.runs_on({node.host: node.name or node.host for node in nodes})
        return Placement(scheduler, nodes, lambda job: pace.of(job) or 1.0)

    def _run_jobs(self, scheduler: JobScheduler, dispatcher: Dispatcher) -> None:
        self._make_void(dispatcher.begun_elsewhere(), scheduler)
        self._submit(dispatcher, scheduler)
        for event in self.executor.events():
            running = self.running[event.request.id]
            match event:
                case JobStarted():
                    if running.host:
                        self.observer.job_placed(running.job, running.host)
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
                    is_lost = NODE_LOST in record.details
                    self._make_void(dispatcher.lose(running.host) if is_lost else (), scheduler)
                    dispatcher.ended(running.job, running.host, is_lost)
                    self.observer.job_ended(running.job, record, list(scheduler.left()))
                    self._submit(dispatcher, scheduler)
        if self.running:
            left = plural(len(self.running), "job")
            raise CnnbenchError(f"the executor reported no end of {left}")
        if isinstance(dispatcher, Placement) and not dispatcher.hosts:
            raise UserError(
                "every node of the cluster was lost", hint="rerun the command when it has nodes"
            )

    def _submit(self, dispatcher: Dispatcher, scheduler: JobScheduler) -> None:
        """Submit jobs until the executor is full, or the next one must wait for those in flight."""
        while (found := dispatcher.take()) is not None:
            job, host = found
            attempt = len(self.journal.of(job.key)) + 1
            planned = PlannedJob(job, attempt, self.plan, self.folder, host)
            fastest = self.fastest.get(host, {})
            request = planned.request(self.data_dir, self.keras_2, fastest)
            self.running[request.id] = planned
            self.executor.submit(request)
        self._tell(scheduler)

    def _make_void(self, results: Sequence[Record], scheduler: JobScheduler) -> None:
        """Append a record behind each result that the loss of its machine makes void."""
        for record in results:
            lost = planned_job.voided(record, len(self.journal.of(record.key)) + 1)
            self.journal.append(lost)
            scheduler.make_void(lost)

    def _tell(self, scheduler: JobScheduler) -> None:
        """Tell the observer of each network that was left out, once."""
        for network, reason in scheduler.left_out.items():
            if network not in self.told_of:
                self.told_of.add(network)
                self.observer.left_out(model_title(*network[:2]), reason)

    def _record_omissions(self, scheduler: JobScheduler) -> None:
        """Append a record for every cell that the search left out."""
        for job, result in scheduler.omissions(Pace(self.journal.records)):
            planned = PlannedJob(job, len(self.journal.of(job.key)) + 1, self.plan, self.folder)
            planned.start()
            record = planned.record(result, str(self.executor.environment()["id"]), 0.0)
            if self._is_news(record):
                self.journal.append(record)

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
        fastest = self.fastest.setdefault(record.host, {})
        for name, seconds in record.details.get("fastest", {}).items():
            fastest[name] = min(seconds, fastest.get(name, seconds))

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
            return not any(other.status == "ok" for other in standing(earlier))
        if not earlier or record.status != "skipped":
            return True
        last = (earlier[-1].status, earlier[-1].reason, earlier[-1].details.get(LEFT_OUT))
        return last != (record.status, record.reason, record.details.get(LEFT_OUT))


def todo(
    plan: Plan, cells: Sequence[Cell], records: Sequence[Record], folder: RunFolder | None
) -> JobScheduler:
    """Return the schedule of ``cells`` minus ``records``; ``folder`` holds their artifacts.

    If the plan has a question, the schedule is a search for its answer.
    """
    has_artifacts = folder.is_prepared if folder else lambda cell: False
    search = Search(plan.question, cells, plan.cells) if plan.question else None
    return JobScheduler(cells, records, plan.suite.limits.cell, has_artifacts, search)


def has_failures(cells: Sequence[Cell], records: Sequence[Record]) -> bool:
    """Return whether a job of these cells has failed and not succeeded since."""
    cell_of = {job.key: cell.key for cell in cells for job in cell.jobs()}
    of_cell: dict[str, list[Record]] = {}
    for record in records:
        if record.key in cell_of:
            of_cell.setdefault(cell_of[record.key], []).append(record)
    unresolved = (record for found in of_cell.values() for record in unresolved_failures(found))
    return any(record.status in ("failed", "timeout", "oom") for record in unresolved)
