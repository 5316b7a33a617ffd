"""Observer of a run: called by the runner with its progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cnnbench.record import Record
from cnnbench.suite.plan import Job


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

    def left_out(self, network: str, reason: str) -> None:
        """A search leaves out the rest of a network's jobs."""

    def runs_on(self, nodes: Mapping[str, str]) -> None:
        """The jobs run on these machines of a cluster: host -> its name for people."""

    def job_placed(self, job: Job, host: str) -> None:
        """A job begins on a machine of a cluster; `job_started` follows."""

    def job_started(self, job: Job) -> None:
        """A job begins."""

    def job_progress(self, job: Job, message: str) -> None:
        """A job reports its progress."""

    def job_ended(self, job: Job, record: Record, left: Sequence[Job]) -> None:
        """A job has ended with ``record``, and the jobs in ``left`` are to do."""

    def close(self) -> None:
        """The run is over, however it ended."""
