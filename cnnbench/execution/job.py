"""Messages between the runner and an executor: the request of a job, and its result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from cnnbench.record import Repeat, Status


@dataclass(frozen=True)
class JobRequest:
    """One job as plain JSON, for a process that may run anywhere.

    Attributes:
        id: unique among the jobs that are in flight.
        group: jobs with the same group must run on the same machine, one of them at a time: they
            share files, and their numbers may be summarised together; empty for a job alone.
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
        keras_2: use Keras 2 as ``tf.keras``.
        is_exclusive: it times something: no other job may run on its machine meanwhile.
        fastest: as in `Context`.
        cache: absolute path of a folder for generated data, as in `Context`, or None.
        run: absolute path of the run's folder, or None where there is no run.
        device: address of the device that measures, without ``ssh://``; empty for this machine.
        host: the machine of a cluster that runs it; empty where the executor decides.
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
    group: str = ""
    is_exclusive: bool = True
    fastest: dict[str, float] = field(default_factory=dict)
    cache: str | None = None
    run: str | None = None
    device: str = ""
    host: str = ""

    def to_json(self) -> str:
        """One line; ``JobRequest(**json.loads(line))`` reads it back."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class JobResult:
    """Result of a job; most fields are those of a record.

    Attributes:
        status, reason, metrics, samples, details, error: as in a record.
        is_user_error: the job failed because of wrong input, and ``reason`` is the message of a
            `UserError`.
        environment: description of the machine that it was measured on, as of
            `environment.describe`; filled in by the executor, unless a device measured.
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
