"""Executor ``ssh``: jobs make their files here, and measure them on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Self

from cnnbench.execution.executor import Executor, JobEnded, JobEvent
from cnnbench.execution.job import JobRequest, JobResult
from cnnbench.execution.local.executor import LocalExecutor
from cnnbench.execution.ssh.address import Address
from cnnbench.execution.ssh.connection import connect

Describe = Callable[[], Mapping[str, Any]]


class SshExecutor:
    """Runs jobs in processes here that leave the measuring to a device.

    Records of what was made or counted here have the environment of this machine, those of what was
    measured there, or is missing there, that of the device.

    Args:
        address: what follows ``ssh://``.
        local: runs the processes.
        describe: returns the environment of the device; by default it is asked.
    """

    capacity = 1
    uses_this_machine = False

    def __init__(
        self, address: str, local: Executor | None = None, describe: Describe | None = None
    ) -> None:
        Address.read(address)
        self._address = address
        self._local: Executor = LocalExecutor() if local is None else local
        self._describe = describe or (lambda: connect(address).describe())
        self._described: Mapping[str, Any] | None = None

    def __enter__(self) -> Self:
        self._local.__enter__()
        return self

    def __exit__(self, *of_error: Any) -> None:
        self._local.__exit__(*of_error)
        self._described = None

    def environment(self) -> Mapping[str, Any]:
        """Return the description of the device, which is asked for it once.

        Raises:
            UserError: it cannot be reached, or lacks what measuring needs.
        """
        if self._described is None:
            self._described = self._describe()
        return self._described

    def submit(self, request: JobRequest) -> None:
        """Accept a job; it runs while `events` is iterated."""
        self._local.submit(replace(request, device=self._address))

    def events(self) -> Iterator[JobEvent]:
        """Run the submitted jobs."""
        for event in self._local.events():
            if isinstance(event, JobEnded):
                event = JobEnded(event.request, self._placed(event.result))
            yield event

    def _placed(self, result: JobResult) -> JobResult:
        is_missing_there = result.status == "skipped"
        return replace(result, environment=self.environment()) if is_missing_there else result
