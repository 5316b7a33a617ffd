"""Executors: where jobs run. One file and one line here, or an entry point of another package.

The runner submits requests and iterates over events; an executor may have several jobs in flight
(`Executor.capacity`). `cnnbench run --on NAME` chooses one; an executor that needs an address gets
it as ``--on NAME://ADDRESS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from cnnbench.errors import CnnbenchError
from cnnbench.execution.job import JobRequest, JobResult
from cnnbench.plugins import Registry
from cnnbench.record import NODE_LOST


@dataclass(frozen=True)
class JobStarted:
    """A job begins to run; its duration counts from here."""

    request: JobRequest


@dataclass(frozen=True)
class JobProgress:
    """A running job reports its progress."""

    request: JobRequest
    message: str


@dataclass(frozen=True)
class JobEnded:
    """A job has ended; its result includes the environment that it ran in."""

    request: JobRequest
    result: JobResult


JobEvent = JobStarted | JobProgress | JobEnded


@dataclass(frozen=True)
class Node:
    """A machine of a cluster.

    Attributes:
        host: its id, which stays the same when the machine joins another time.
        slots: so many jobs that are not exclusive run on it at once, at least 1.
        name: of the machine for people.
    """

    host: str
    slots: int = 1
    name: str = ""


class Executor(Protocol):
    """Runs jobs. A context manager: leaving it ends every job and leaves no process behind.

    Making one must be cheap: whatever takes time (a server, a connection) starts with the first
    job.

    Attributes:
        capacity: jobs that may be in flight at once, at least 1.
        uses_this_machine: jobs run on this machine, where concurrent runs distort timings.
    """

    capacity: int
    uses_this_machine: bool

    def environment(self) -> Mapping[str, Any]:
        """Return the environment of its jobs, in the form of `environment.describe`.

        A run is continued only in the environment it began in. A cluster of equal nodes describes
        one of them; the result of each job includes the environment of its own node.

        Raises:
            UserError: it cannot be reached.
        """

    def submit(self, request: JobRequest) -> None:
        """Accept a job and return at once; at most `capacity` jobs may be in flight.

        An executor of several machines runs the jobs of one ``request.group`` on one of them, and
        nothing else on a machine while a job with ``request.is_exclusive`` runs there.
        """

    def events(self) -> Iterator[JobEvent]:
        """Yield what happens until every submitted job has ended.

        Jobs may be submitted between two events. Every job yields a `JobStarted`, any number of
        `JobProgress`, and a `JobEnded`, whatever happens to it: a crash, a lost node and an
        exceeded time limit are results.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class Cluster(Protocol):
    """The part that an executor of several machines adds, if the runner is to place the jobs.

    Each request then names its machine (`JobRequest.host`). Of a machine that is lost, every job
    ends as `node_lost` says, and no further job is submitted to it.
    """

    def nodes(self) -> Sequence[Node]:
        """Return the machines, all of the environment that `Executor.environment` describes.

        Asked once for a run, after the executor was entered.

        Raises:
            UserError: there is none.
        """

    def left_out(self) -> Sequence[str]:
        """Return the machines that do not take part, each with the reason."""


def node_lost(host: str) -> JobResult:
    """Return the result of a job whose machine was lost."""
    return JobResult("failed", "node lost", details={NODE_LOST: host})


LOCAL = "local"

# Name -> function of the address behind ``NAME://`` (which may be empty) to an executor.
EXECUTORS: Registry[Callable[[str], Executor]] = Registry(
    "cnnbench.executors",
    "executor",
    {
        LOCAL: "cnnbench.execution.local.executor:at",
        "ssh": "cnnbench.execution.ssh.executor:SshExecutor",
        "ray": "cnnbench.execution.on_ray.executor:at",
    },
)


def find(text: str = LOCAL, where: str = "") -> Executor:
    """Return the executor for ``NAME`` or ``NAME://ADDRESS``.

    Raises:
        UserError: no executor has that name, or it does not take that address.
    """
    name, _, address = text.partition("://")
    return EXECUTORS.find(name, where)(address)


def run_one(
    executor: Executor, request: JobRequest, report_progress: Callable[[str], None]
) -> JobResult:
    """Run a single job to its end.

    Raises:
        CnnbenchError: the executor lost it.
    """
    executor.submit(request)
    for event in executor.events():
        match event:
            case JobProgress():
                report_progress(event.message)
            case JobEnded():
                return event.result
    raise CnnbenchError("the executor reported no end of the job")
