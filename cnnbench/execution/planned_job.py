"""One attempt at a job of a plan: the request for an executor, and the record that follows."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cnnbench.execution.job import JobRequest, JobResult, identity_text
from cnnbench.execution.run_folder import RunFolder
from cnnbench.record import HOST, NODE_LOST, Record
from cnnbench.suite.plan import Job, Plan


@dataclass
class PlannedJob:
    """One attempt at a job.

    Attributes:
        job: of the plan.
        attempt: its number, from 1.
        plan, folder: of the run.
        host: the machine of a cluster that it runs on; empty outside of a cluster.
        concurrent_runs: other runs that measured on the machine meanwhile.
    """

    job: Job
    attempt: int
    plan: Plan
    folder: RunFolder
    host: str = ""
    concurrent_runs: set[str] = field(default_factory=set)
    _started: str = ""
    _clock: float = 0.0

    def request(
        self, data_dir: Path | None, keras_2: bool, fastest: Mapping[str, float]
    ) -> JobRequest:
        """Return the request, after making the folders that it names.

        Args:
            data_dir, keras_2: of the run.
            fastest: what earlier jobs left, as in `Context`.
        """
        cell, limits = self.job.cell, self.plan.suite.limits
        # Absolute paths: a builder may change the worker's directory.
        artifacts, scratch = (path.resolve() for path in self.folder.prepare_for(self.job))
        return JobRequest(
            id=self.job.key,
            model=cell.model.text,
            search_path=tuple(str(path) for path in self.plan.suite.search_path),
            probe=cell.probe,
            setting=cell.setting_json,
            repeat=self.job.repeat,
            artifacts=str(artifacts),
            scratch=str(scratch),
            log=str(self._log.resolve()),
            data_dir=str(data_dir) if data_dir else None,
            memory_limit=limits.memory,
            timeout_s=limits.timeout,
            identity=identity_text(cell.identity),
            keras_2=keras_2,
            group=cell.key,
            is_exclusive=not cell.setting.is_light,
            fastest=dict(fastest),
            cache=str(self.folder.cache.resolve()),
            run=str(self.folder.path.resolve()),
            host=self.host,
        )

    def start(self) -> None:
        """Take the time at which the job begins."""
        self._started = _now()
        self._clock = time.monotonic()

    def seconds(self) -> float:
        """Return the seconds since the job began."""
        return time.monotonic() - self._clock

    def record(self, result: JobResult, environment: str, duration_s: float) -> Record:
        """Return the record of the job, which has ended.

        Args:
            result: how it ended.
            environment: id of the environment that it ran in.
            duration_s: seconds of the whole job.
        """
        cell = self.job.cell
        # For the tables: which targets were reached, and what disturbed the job.
        conditions = {
            "precision": cell.rule.precision,
            "cell_limit_s": self.plan.suite.limits.cell if cell.rule.at_most > 1 else None,
            "beside": sorted(self.concurrent_runs),
            HOST: self.host,
        }
        log = self._log.relative_to(self.folder.path).as_posix()
        where = {"log": log} if result.status not in ("ok", "skipped") else {}
        input_shape, classes = cell.input_and_classes
        return Record(
            key=self.job.key,
            attempt=self.attempt,
            model=cell.model.label,
            variant=cell.variant,
            probe=cell.probe,
            setting=cell.setting_json,
            repeat=self.job.repeat,
            status=result.status,
            reason=result.reason,
            input_shape=tuple(input_shape),
            classes=classes,
            metrics=result.metrics,
            samples=result.samples,
            details=result.details | {name: x for name, x in conditions.items() if x} | where,
            error=result.error,
            environment=environment,
            started=self._started,
            duration_s=round(duration_s, 3),
        )

    @property
    def _log(self) -> Path:
        return self.folder.log_of(self.job, self.attempt)


def voided(record: Record, attempt: int) -> Record:
    """Return the record that makes a result void whose machine was lost (`record.standing`)."""
    details = {name: host for name, host in ((HOST, record.host),) if host}
    return replace(
        record,
        attempt=attempt,
        status="failed",
        reason="node lost: measured again on another",
        metrics={},
        samples={},
        details=details | {NODE_LOST: record.host},
        error="",
        started=_now(),
        duration_s=0.0,
    )


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat("T", "seconds")
