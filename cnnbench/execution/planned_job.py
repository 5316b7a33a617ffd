"""Jobs of a plan: the request that an executor gets, and the record of its result."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cnnbench.execution.job import JobRequest, JobResult, identity_text
from cnnbench.execution.run_folder import RunFolder
from cnnbench.record import Record
from cnnbench.suite.plan import Job, Plan


def request_of(
    job: Job, attempt: int, plan: Plan, folder: RunFolder, data_dir: Path | None, keras_2: bool
) -> JobRequest:
    """Return the request of a planned job, after making its folders."""
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
        group=cell.key,
        is_exclusive=not cell.setting.is_light,
    )


def record_of(
    job: Job,
    attempt: int,
    result: JobResult,
    plan: Plan,
    *,
    environment: str,
    log: str,
    started: str,
    duration_s: float,
    concurrent_runs: Iterable[str],
) -> Record:
    """Return the record of a job that has ended.

    Args:
        job, attempt, plan: the job, the number of its attempt, and its plan.
        result: how it ended.
        environment: id of the environment that it ran in.
        log: its output, relative to the run's folder.
        started: UTC, ISO 8601.
        duration_s: seconds of the whole job.
        concurrent_runs: other runs that measured on the machine meanwhile.
    """
    # For the tables: which targets were reached, and what disturbed the job.
    conditions = {
        "precision": job.cell.rule.precision,
        "cell_limit_s": plan.suite.limits.cell if job.cell.rule.at_most > 1 else None,
        "beside": sorted(concurrent_runs),
    }
    input_shape, classes = job.cell.input_and_classes
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
        input_shape=tuple(input_shape),
        classes=classes,
        metrics=result.metrics,
        samples=result.samples,
        details=result.details | {name: x for name, x in conditions.items() if x} | where,
        error=result.error,
        environment=environment,
        started=started,
        duration_s=round(duration_s, 3),
    )
