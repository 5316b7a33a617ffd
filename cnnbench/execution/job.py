"""A job on its way: the request that an executor gets, the result that comes back, the record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cnnbench.execution.run_folder import RunFolder
from cnnbench.record import Record, Repeat, Status
from cnnbench.suite.plan import Job, Plan


@dataclass(frozen=True)
class JobRequest:
    """One job as plain JSON, for a process that may run anywhere.

    Attributes:
        id: unique among the jobs that are in flight.
        model: as the registry resolves it.
        search_path: folders where modules and files that the suite names are looked up.
        probe, setting, repeat: as in a record.
        artifacts, scratch, log: absolute paths of two folders and of the file that takes the job's
            output.
        data_dir: holds data sets and weights, or None.
        memory_limit: bytes that the process may use, or None.
        timeout_s: seconds that the job may take, from the moment its process has started.
        identity: the model's identity when the suite was planned (`identity_text`); empty where
            there is no plan.
        keras_2: whether ``tf.keras`` is Keras 2.
        is_exclusive: whether it times something, so that nothing else may run on its machine.
    """

    id: str
    model: str
    search_path: tuple[str, ...]
    probe: str
    setting: dict[str, Any]
    repeat: Repeat
    artifacts: str
    scratch: str
    log: str
    data_dir: str | None
    memory_limit: int | None
    timeout_s: float
    identity: str = ""
    keras_2: bool = False
    is_exclusive: bool = True

    def to_json(self) -> str:
        """One line; ``JobRequest(**json.loads(line))`` reads it back."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class JobResult:
    """Result of a job, in the terms of a record.

    Attributes:
        status, reason, metrics, samples, details, error: as in a record.
        is_user_error: whether the job failed because of what the user gave it, so that ``reason``
            is the message of a `UserError`.
        environment: where the job ran, as `environment.describe` words it; filled in by the
            executor, and empty if it is not known.
    """

    status: Status
    reason: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    is_user_error: bool = False
    environment: Mapping[str, Any] = field(default_factory=dict)


def identity_text(identity: Mapping[str, Any]) -> str:
    """Return a model's identity as one line of canonical JSON."""
    return json.dumps(identity, sort_keys=True)


def job_request(
    job: Job, attempt: int, plan: Plan, folder: RunFolder, data_dir: Path | None, keras_2: bool
) -> JobRequest:
    """Return the request of a planned job, its folders made."""
    cell, suite = job.cell, plan.suite
    # Absolute paths: a builder may change the worker's directory.
    artifacts, scratch = (path.resolve() for path in folder.prepare_for(job))
    return JobRequest(
        id=job.key,
        model=cell.model.text,
        search_path=tuple(str(path) for path in suite.search_path),
        probe=cell.probe,
        setting=cell.setting_json,
        repeat=job.repeat,
        artifacts=str(artifacts),
        scratch=str(scratch),
        log=str(folder.log_of(job, attempt).resolve()),
        data_dir=str(data_dir) if data_dir else None,
        memory_limit=suite.limits.memory,
        timeout_s=suite.limits.timeout,
        identity=identity_text(cell.identity),
        keras_2=keras_2,
        is_exclusive=not cell.setting.is_light,
    )


def job_record(
    job: Job,
    attempt: int,
    result: JobResult,
    plan: Plan,
    *,
    environment: str,
    log: str,
    started: str,
    duration_s: float,
    beside: Iterable[str],
) -> Record:
    """Return the record of a job that has ended.

    Args:
        job, attempt, plan: which job it was, which try, and of which plan.
        result: how it ended.
        environment: id of the environment that it ran in.
        log: its output, relative to the run's folder.
        started: UTC, ISO 8601.
        duration_s: seconds of the whole job.
        beside: other runs that measured on the machine meanwhile.
    """
    # The targets, so that a table can say whether they were reached, and what disturbed.
    asked = {
        "precision": job.cell.rule.precision,
        "cell_limit_s": plan.suite.limits.cell if job.cell.rule.at_most > 1 else None,
        "beside": sorted(beside),
    }
    where = {"log": log} if result.status not in ("ok", "skipped") else {}
    return Record(
        key=job.key,
        attempt=attempt,
        model=job.cell.model.label,
        variant=job.cell.variant,
        probe=job.cell.probe,
        setting=job.cell.setting_json,
        repeat=job.repeat,
        status=result.status,
        reason=result.reason,
        input_shape=tuple(job.cell.model.input_shape),
        classes=job.cell.model.classes,
        metrics=result.metrics,
        samples=result.samples,
        details=result.details | {name: x for name, x in asked.items() if x} | where,
        error=result.error,
        environment=environment,
        started=started,
        duration_s=round(duration_s, 3),
    )
