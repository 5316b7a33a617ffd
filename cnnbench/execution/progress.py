"""Progress on stderr: the running job, how many are left, and the estimated time left.

On a cluster each node has a line of its own with the jobs that run there.

The bar is drawn when a job starts, reports progress or ends, never by a timer: while a job is
timed, nothing else may run on the machine. If stderr is no terminal, it is a line every minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TaskID, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from cnnbench.execution.estimate import Pace, outlook
from cnnbench.execution.observer import Observer
from cnnbench.record import Record
from cnnbench.suite.plan import Job
from cnnbench.text import plural, printable
from cnnbench.units import show_duration

_LOG_EVERY_S = 60.0
_BAR_WIDTH = 12
_FIXED_WIDTH = 28  # the time left, the count and the spaces between


class _OfRun(ProgressColumn):
    """A column of the run's own line, blank in those of nodes."""

    def __init__(self, column: ProgressColumn) -> None:
        super().__init__()
        self._column = column

    def render(self, task: Task) -> RenderableType:
        return Text() if task.fields.get("is_node") else self._column(task)


class Progress(Observer):
    """Shows the progress of a run: a bar in a terminal, else a line every minute.

    Args:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.had_work = False
        self._console = Console(stderr=True, highlight=False)
        self._is_terminal = self._console.is_terminal
        self._pace = Pace()
        self._left: list[Job] = []
        self._run = Path()
        self._logged = clock()
        self._bar = Bar(
            _OfRun(TextColumn("{task.fields[left]:>14}")),
            _OfRun(BarColumn(bar_width=_BAR_WIDTH)),
            _OfRun(MofNCompleteColumn()),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            auto_refresh=False,
            transient=True,
            disable=not self._is_terminal,
        )
        self._task = self._bar.add_task("", left="", total=1)
        # Of a cluster: the nodes' names and lines, what they run, and where a job runs.
        self._names: Mapping[str, str] = {}
        self._lines: dict[str, TaskID] = {}
        self._on: dict[str, dict[str, str]] = {}
        self._node_of: dict[str, str] = {}

    def remarks(self, message: str) -> None:
        """Show a remark on the suite."""
        self._console.print(message, markup=False, soft_wrap=True)

    def waits(self, other: str) -> None:
        """Report that another run must end first."""
        self._console.print(f"waiting for {other}", markup=False, soft_wrap=True)

    def warns(self, message: str) -> None:
        """Warn of something that distorts the measurement."""
        self._console.print(f"warning: {message}", markup=False, soft_wrap=True)

    def left_out(self, network: str, reason: str) -> None:
        """Show what the search leaves out."""
        words = printable(f"left out: {network}: {reason}")
        self._console.print(words, markup=False, soft_wrap=True)

    def begin(self, run: Path, done: int, left: Sequence[Job], records: Sequence[Record]) -> None:
        """Show the run's folder and how many jobs are left."""
        self._run = run
        self._left = list(left)
        self._pace = Pace(records)
        self.had_work = bool(left)
        word = "continues" if records else "begins"
        self._console.print(
            f"{run} {word}: {plural(done, 'job')} done, {len(left)} to do",
            markup=False,
            soft_wrap=True,
        )
        self._bar.update(self._task, completed=done, total=done + len(left))
        if left:
            self._bar.start()

    def runs_on(self, nodes: Mapping[str, str]) -> None:
        """Give each node a line."""
        self._names = nodes
        self._on = {host: {} for host in nodes}
        if self._is_terminal:
            for host, name in nodes.items():
                self._lines[host] = self._bar.add_task(name, is_node=True, left="")

    def job_placed(self, job: Job, host: str) -> None:
        """Note where a job runs."""
        self._node_of[job.key] = host

    def job_started(self, job: Job) -> None:
        """Show the job that begins."""
        self._begins(job)

    def job_progress(self, job: Job, message: str) -> None:
        """Show the progress of a long job."""
        self._begins(job, f": {message}")
        self._log(f"now: {job.title()}: {message}")

    def job_ended(self, job: Job, record: Record, left: Sequence[Job]) -> None:
        """Show a failure; ``left`` may be fewer or more jobs than before."""
        self._pace.add(record)
        self._left = list(left)
        if record.status not in ("ok", "skipped"):
            words = f"{record.status}: {job.title()}: {record.reason}"
            if log := record.details.get("log"):
                words += f"; log: {self._run / log}"
            words = printable(words)
            self._console.print(words, markup=False, soft_wrap=True)
        if (node := self._node_of.pop(job.key, None)) is not None:
            self._on[node].pop(job.key, None)
            self._show_node(node)
        done = self._bar.tasks[0].completed + (record.status == "ok")
        self._bar.update(self._task, completed=done, total=done + len(left))
        if left:
            self._log(f"last: {job.title()}")

    def close(self) -> None:
        """Remove the bar; may be called twice."""
        self._bar.stop()

    def _log(self, what: str) -> None:
        """Write a line, at most every minute, if no bar is drawn."""
        if self._is_terminal or self._clock() - self._logged < _LOG_EVERY_S:
            return
        self._logged = self._clock()
        task = self._bar.tasks[0]
        count = f"{task.completed:.0f} of {task.total:.0f} jobs done"
        words = f"{count}{self._time_left(', {} left')}, {what}"
        self._console.print(words, markup=False, soft_wrap=True)
        for node in self._on:
            self._console.print(f"  {self._of_node(node)}", markup=False, soft_wrap=True)

    def _begins(self, job: Job, message: str = "") -> None:
        """Show a job in the line of its node, or of the run."""
        node = self._node_of.get(job.key)
        if node is None:
            self._show(job.title(), message)
        else:
            self._on[node][job.key] = job.title() + message
            self._show_node(node)

    def _of_node(self, node: str) -> str:
        jobs = list(self._on[node].values())
        more = f" and {plural(len(jobs) - 1, 'more job')}" if len(jobs) > 1 else ""
        return f"{self._names[node]}: {jobs[0] if jobs else 'idle'}{more}"

    def _show_node(self, node: str) -> None:
        if self._is_terminal:
            self._bar.update(self._lines[node], description=self._of_node(node))
            self._show("")

    def _show(self, what: str, message: str = "") -> None:
        """Draw the bar; shorten the job's name if the line is too short."""
        if not self._is_terminal:
            return
        left = self._time_left("{} left")
        room = max(20, self._console.width - _BAR_WIDTH - _FIXED_WIDTH)
        room = max(12, room - len(message))
        short = what if len(what) <= room else what[: room - 1] + "…"
        self._bar.update(self._task, description=short + message, left=left)
        self._bar.refresh()

    def _time_left(self, template: str) -> str:
        """Return ``template`` with the estimated duration, or nothing if there is no estimate."""
        seconds = outlook(self._left, [self._pace]).seconds
        if seconds is not None:
            seconds /= max(1, len(self._on))
        return template.format(show_duration(seconds)) if seconds is not None else ""
