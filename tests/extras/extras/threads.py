"""An executor: jobs in threads of the command's own process, which stand in for several nodes."""

import queue
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Self

from cnnbench import environment
from cnnbench.execution.executor import JobEnded, JobEvent, JobProgress, JobStarted
from cnnbench.execution.job import JobRequest
from cnnbench.execution.worker import perform


class Threads:
    """``--on threads://a,b`` runs jobs on the nodes a and b."""

    uses_this_machine = False

    def __init__(self, address: str) -> None:
        self._nodes = address.split(",")
        self.capacity = len(self._nodes)
        self._events: queue.Queue[JobEvent] = queue.Queue()
        self._node_of: dict[str, int] = {}
        self._submitted = self._ended = 0
        self._lock = threading.Lock()  # one job at a time, so that each has the process for itself

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """A real executor ends its jobs here."""

    def environment(self, node: int = 0) -> Mapping[str, Any]:
        facts = environment.fingerprint() | {"host": self._nodes[node]}
        return {"id": environment.environment_id(facts), "fingerprint": facts}

    def submit(self, request: JobRequest) -> None:
        # All jobs of a group run on one node.
        node = self._node_of.setdefault(request.group, len(self._node_of) % len(self._nodes))
        self._submitted += 1
        threading.Thread(target=self._do, args=(request, node)).start()

    def events(self) -> Iterator[JobEvent]:
        while self._ended < self._submitted:
            event = self._events.get()
            self._ended += isinstance(event, JobEnded)
            yield event

    def _do(self, request: JobRequest, node: int) -> None:
        with self._lock:
            self._events.put(JobStarted(request))
            self._events.put(JobProgress(request, f"on {self._nodes[node]}"))
            result = perform(request)
        self._events.put(JobEnded(request, replace(result, environment=self.environment(node))))
