"""Fake executor: runs nothing, and ends every job with the result of a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from cnnbench import environment
from cnnbench.execution.executor import JobEnded, JobEvent, JobProgress, JobStarted, Node
from cnnbench.execution.job import JobRequest, JobResult

Answer = Callable[[JobRequest], JobResult]


def counted(request: JobRequest) -> JobResult:
    return JobResult("ok", metrics={"params": 1.0})


class FakeExecutor:
    """Ends every job at once; of several jobs in flight, the one submitted last.

    Attributes:
        requests: the submitted requests.
        most_in_flight: how many were in flight at once.
        is_open: True inside its ``with`` block.
    """

    def __init__(self, answer: Answer = counted, capacity: int = 1, host: str = "") -> None:
        self.answer = answer
        self.capacity = capacity
        self.uses_this_machine = not host
        self.requests: list[JobRequest] = []
        self.most_in_flight = 0
        self.is_open = False
        self._host = host
        self._in_flight: list[JobRequest] = []

    def __enter__(self) -> Self:
        self.is_open = True
        return self

    def __exit__(self, *_: object) -> None:
        self.is_open = False

    def environment(self) -> Mapping[str, Any]:
        return environment.describe() if not self._host else describe(self._host)

    def submit(self, request: JobRequest) -> None:
        assert self.is_open
        self.requests.append(request)
        self._in_flight.append(request)
        self.most_in_flight = max(self.most_in_flight, len(self._in_flight))
        assert self.most_in_flight <= self.capacity

    def events(self) -> Iterator[JobEvent]:
        while self._in_flight:
            request = self._in_flight.pop()
            yield JobStarted(request)
            yield JobProgress(request, "half way")
            result = self.answer(request)
            if not result.environment:
                result = replace(result, environment=self.environment())
            yield JobEnded(request, result)


class FakeCluster(FakeExecutor):
    """A cluster of equal nodes, each of which runs one exclusive job at a time, or two others.

    A node is lost with the job that is answered with `node_lost`.
    """

    def __init__(self, answer: Answer = counted, hosts: Sequence[str] = ("a", "b")) -> None:
        super().__init__(answer, capacity=100, host="node")
        self._hosts = hosts

    def nodes(self) -> Sequence[Node]:
        return [Node(host, 2, f"node {host}") for host in self._hosts]

    def left_out(self) -> Sequence[str]:
        return ["c: it is slow"]


def describe(host: str) -> dict[str, Any]:
    """Return the environment of a fictitious host."""
    facts = {"cpu": host}
    return {"id": environment.environment_id(facts), "fingerprint": facts}
