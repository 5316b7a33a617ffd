"""The executor for a Ray cluster: ``--on ray``, ``--on ray://HOST:PORT``.

A job is a task of Ray that is bound to the node that the placement has chosen. It takes the node's
custom resource ``bench``, whole or a share of it, so that two drivers on one cluster do not disturb
each other. Ray never repeats it: a job that times must not run twice unnoticed.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from cnnbench import environment
from cnnbench.errors import brief
from cnnbench.execution.executor import (
    JobEnded,
    JobEvent,
    JobProgress,
    JobStarted,
    Node,
    node_lost,
)
from cnnbench.execution.job import JobRequest, JobResult
from cnnbench.execution.on_ray import cluster, files
from cnnbench.execution.on_ray import node as remote
from cnnbench.execution.on_ray.cluster import BENCH, Member

_WAIT_S = 5.0  # between two looks at the nodes, while nothing is reported
_CANCEL_S = 20.0


@dataclass
class _Task:
    """A job on a node."""

    request: JobRequest
    member: Member
    stream: Any
    sent: frozenset[str]
    references: Sequence[Any]
    is_started: bool = False
    result: JobResult | None = None
    log: bytes = b""


@dataclass
class _Inbox:
    """Events that wait to be yielded."""

    events: deque[JobEvent] = field(default_factory=deque)

    def end(self, request: JobRequest, result: JobResult, is_started: bool) -> None:
        if not is_started:
            self.events.append(JobStarted(request))
        self.events.append(JobEnded(request, result))


class RayExecutor:
    """Runs jobs on the nodes of a Ray cluster.

    Args:
        address: ``HOST:PORT`` of the head; empty for that of `RAY_ADDRESS` or, without it, for a
            cluster of one node that is started on this machine.
    """

    capacity = 1

    def __init__(self, address: str = "") -> None:
        self._address = address
        self.uses_this_machine = cluster.is_local(address)
        self._members: list[Member] = []
        self._problems: list[str] = []
        self._is_joined = False
        self._hashes = files.Hashes()
        self._known: dict[str, set[str]] = {}  # contents that a node has
        self._tasks: list[_Task] = []
        self._inbox = _Inbox()
        self._described: Mapping[str, Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the jobs of this command on all nodes, and leave the cluster."""
        try:
            self._cancel()
        finally:
            if self._is_joined:
                cluster.leave()
            # The nodes' environment stays known; that of this machine is under another load later.
            self._is_joined, self._described = False, None

    def environment(self) -> Mapping[str, Any]:
        """Return the environment of the nodes.

        Raises:
            UserError: the cluster cannot be reached, or no node can run jobs.
        """
        if self.uses_this_machine:
            if self._described is None:
                cluster.library()
                self._described = environment.describe()
            return self._described
        return (self._members or self._joined())[0].environment

    def nodes(self) -> Sequence[Node]:
        """Return the nodes.

        Raises:
            UserError: the cluster cannot be reached, or no node can run jobs.
        """
        return [member.node for member in self._joined()]

    def left_out(self) -> Sequence[str]:
        """Return the nodes that offer ``bench`` and do not take part, with the reasons."""
        return self._problems

    def submit(self, request: JobRequest) -> None:
        """Start the task of a job on its node."""
        member = self._member(request.host)
        known = self._known.setdefault(member.ray_id, set())
        ray = cluster.library()
        try:
            luggage = files.packed(request, self._hashes)
            missing = sorted(set(luggage.sources) - known)
            contents = {name: ray.put(luggage.sources[name].read_bytes()) for name in missing}
        except (OSError, ray.exceptions.RayError) as error:  # as a full object store
            words = f"its files cannot be sent to the node: {_words(error)}"
            self._inbox.end(request, JobResult("failed", words), is_started=False)
            return
        share = 1.0 if request.is_exclusive else 1.0 / member.node.slots
        task = ray.remote(remote.perform).options(
            num_cpus=0,
            resources={BENCH: share},
            max_retries=0,
            num_returns="streaming",
            scheduling_strategy=cluster.on_node(member.ray_id),
        )
        stream = task.remote(
            request, luggage.search_path, luggage.hashes, contents, not self.uses_this_machine
        )
        sent = frozenset(luggage.hashes.values())
        self._tasks.append(_Task(request, member, stream, sent, list(contents.values())))

    def events(self) -> Iterator[JobEvent]:
        """Yield what the nodes report; a worker that is killed and a node that is lost end jobs."""
        ray = cluster.library()
        while self._tasks or self._inbox.events:
            while self._inbox.events:
                yield self._inbox.events.popleft()
            by_stream = {task.stream: task for task in self._tasks}
            if by_stream:
                ready, _ = ray.wait(list(by_stream), num_returns=1, timeout=_WAIT_S)
                for stream in ready:
                    self._receive(by_stream[stream])

    def _receive(self, task: _Task) -> None:
        """Take one message of a task."""
        ray = cluster.library()
        try:
            message = ray.get(next(task.stream))
        except StopIteration:
            self._end(task, task.result or JobResult("failed", "the node reported no result"))
        except ray.exceptions.RayError as error:
            self._end(task, self._failure(task, error))
        else:
            try:
                self._understand(task, *message)
            except (OSError, ValueError) as error:
                ray.cancel(task.stream, force=True)
                words = f"its files cannot be received: {brief(error)}"
                self._end(task, JobResult("failed", words))

    def _understand(self, task: _Task, kind: str, *content: Any) -> None:
        match kind:
            case remote.STARTED:
                task.is_started = True
                self._inbox.events.append(JobStarted(task.request))
            case remote.PROGRESS:
                self._inbox.events.append(JobProgress(task.request, str(content[0])))
            case remote.ENDED:
                task.result = JobResult(**content[0])
            case remote.FILE:
                name, sha256, data = content
                file = files.received(task.request, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                staging = file.with_name(f".{file.name}.part")
                staging.write_bytes(data)
                staging.rename(file)
                self._known[task.member.ray_id].add(sha256)
            case remote.REMOVED:
                for name in content[0]:
                    files.received(task.request, name).unlink(missing_ok=True)
            case remote.LOG:
                task.log = content[0]

    def _end(self, task: _Task, result: JobResult) -> None:
        self._tasks.remove(task)
        if task.result is not None:
            self._known[task.member.ray_id] |= task.sent
        with contextlib.suppress(OSError):
            Path(task.request.log).write_bytes(task.log)
        if not result.environment:
            result = replace(result, environment=task.member.environment)
        self._inbox.end(task.request, result, task.is_started)

    def _failure(self, task: _Task, error: BaseException) -> JobResult:
        """Return the result of a job whose task has failed as a whole."""
        errors = cluster.library().exceptions
        cause = getattr(error, "cause", None) or error
        lost = (errors.NodeDiedError, errors.TaskUnschedulableError, errors.LocalRayletDiedError)
        if isinstance(error, lost) or not cluster.is_alive(task.member.ray_id):
            return node_lost(task.member.node.host)
        if isinstance(error, errors.OutOfMemoryError):
            return JobResult("oom", "out of memory: Ray ended the job to protect its node")
        if isinstance(error, errors.WorkerCrashedError):
            return JobResult(
                "failed", "its worker was killed on the node", error=str(error)[-4000:]
            )
        return JobResult("failed", f"on the node: {_words(cause)}", error=str(error)[-4000:])

    def _cancel(self) -> None:
        """Kill the workers of all jobs, and wait until they have ended."""
        if not self._tasks:
            return
        ray = cluster.library()
        over = (ray.exceptions.RayError, StopIteration)  # also of a node that is lost
        deadline = time.monotonic() + _CANCEL_S
        for task in self._tasks:
            with contextlib.suppress(*over):
                ray.cancel(task.stream, force=True)
        for task in self._tasks:
            with contextlib.suppress(*over):
                while time.monotonic() < deadline:
                    ray.get(next(task.stream), timeout=max(0.0, deadline - time.monotonic()))
        self._tasks.clear()
        self._inbox.events.clear()

    def _joined(self) -> list[Member]:
        if not self._is_joined:
            cluster.join(self._address)
            self._is_joined = True
            self._members, self._problems = cluster.survey()
        return self._members

    def _member(self, host: str) -> Member:
        """Return the node of a host; the first one for a job that may run anywhere."""
        members = self._joined()
        return next((member for member in members if member.node.host == host), members[0])


def at(address: str) -> RayExecutor:
    """Return the executor for the cluster at ``HOST:PORT``, or for the default one."""
    return RayExecutor(address)


def _words(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
