"""The child process: one job from its order to its result. Here a model meets a probe.

Order and result are JSON, a line each, over the channel that the fork server hands on. Whatever
the job prints goes to its log file, by way of the server.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from cnnbench.errors import JobFailed, Unavailable, UserError, brief, explained, is_out_of_memory
from cnnbench.execution.interface import settled
from cnnbench.models.handle import ModelHandle
from cnnbench.plugins import PROBES
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.record import PREPARE, Repeat, Status
from cnnbench.units import exact_bytes

_MOST_WORDS = 500  # characters of a reason in our own words


@dataclass(frozen=True)
class JobRequest:
    """What a worker is told: everything as plain JSON.

    ``identity`` is that of the model when the suite was planned, in one line of canonical JSON;
    empty where there is no plan.
    """

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
    identity: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass
class JobResult:
    """How a job ended, in the words of a record.

    ``is_users_mistake`` tells what was given to the job (its reason is a `UserError`'s) from what
    came of it.
    """

    status: Status
    reason: str = ""
    metrics: dict[str, float] | None = None
    samples: dict[str, list[float]] | None = None
    details: dict[str, Any] | None = None
    error: str = ""
    is_users_mistake: bool = False


def main(order_json: str, channel: socket.socket) -> NoReturn:
    """Do one job and send its result; the process ends here, without Python's own tear-down."""
    order = JobRequest(**json.loads(order_json))
    me = os.getpid()

    def send(event: str, content: dict[str, Any]) -> None:
        if os.getpid() != me:  # a child that the model forked and that came back here
            os._exit(0)
        with contextlib.suppress(OSError):  # the parent is gone: nobody is left to tell
            channel.sendall(json.dumps({"event": event, **content}).encode() + b"\n")

    _become_a_worker(order)
    send("started", {"pid": me})
    outcome = _outcome(order, lambda message: send("message", {"text": message}))
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    try:
        send("result", asdict(outcome))
    except (TypeError, ValueError) as error:
        send("result", asdict(JobResult("failed", f"the probe's result is not JSON: {error}")))
    os._exit(0)


def _become_a_worker(order: JobRequest) -> None:
    for folder in reversed(order.search_path):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    if order.memory_limit:
        # Not RLIMIT_AS: it counts reserved address space, of which TensorFlow takes plenty.
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]  # of the shell, which none may raise
        limit = (
            order.memory_limit if hard == resource.RLIM_INFINITY else min(order.memory_limit, hard)
        )
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _outcome(order: JobRequest, say: Callable[[str], None]) -> JobResult:
    try:
        return _found(_find(order, say))
    except Unavailable as error:
        return JobResult("skipped", brief(error, _MOST_WORDS))
    except (JobFailed, UserError) as error:
        return JobResult(
            "failed",
            brief(error, _MOST_WORDS),
            error=_traceback(),
            is_users_mistake=isinstance(error, UserError),
        )
    except BaseException as error:  # SystemExit of a user's builder included
        reason = explained(error)
        out_of_memory = is_out_of_memory(error)
        status: Status = "oom" if out_of_memory else "failed"
        if out_of_memory and order.memory_limit:
            reason += f" (the job's limit is {exact_bytes(order.memory_limit)})"
        return JobResult(status, reason, error=_traceback())


def _found(finding: ProbeResult) -> JobResult:
    return JobResult(
        "ok",
        metrics={name: float(value) for name, value in finding.metrics.items()},
        samples={name: [float(v) for v in values] for name, values in finding.samples.items()},
        details=finding.details,
    )


def _find(order: JobRequest, say: Callable[[str], None]) -> ProbeResult:
    from cnnbench.models import registry

    search_path = tuple(Path(folder) for folder in order.search_path)
    subject: ModelHandle = registry.resolve(order.model, search_path)
    if order.identity and identity_text(subject.identity()) != order.identity:
        raise JobFailed(f"{order.model} was changed since the suite was planned: run it again")
    probe = PROBES[order.probe]
    if not probe.counts_only:
        subject = settled(subject)
    measuring = probe.measuring()
    act = measuring.prepare if order.repeat == PREPARE else measuring.run
    context = Context(
        repeat=0 if order.repeat == PREPARE else int(order.repeat),
        artifacts=Path(order.artifacts),
        scratch=Path(order.scratch),
        data_dir=Path(order.data_dir) if order.data_dir else None,
        memory_limit=order.memory_limit,
        search_path=tuple(Path(folder) for folder in order.search_path),
        report_progress=say,
    )
    finding: ProbeResult = act(subject, probe.read_setting(order.setting), context)
    return finding


def identity_text(identity: Mapping[str, Any]) -> str:
    """A model's identity in one line of canonical JSON."""
    return json.dumps(identity, sort_keys=True)


def _traceback() -> str:
    """The traceback, which the log gets whole and the record its end.

    A journal may be published, so that in the record a file is named from where it is imported:
    ``keras/src/...``, not somebody's home folder.
    """
    text = traceback.format_exc()
    with contextlib.suppress(Exception):
        sys.stderr.write(text)
    for folder in sorted(filter(None, sys.path), key=len, reverse=True):
        text = text.replace(f'File "{folder.rstrip("/")}/', 'File "')
    return text[-4000:]
