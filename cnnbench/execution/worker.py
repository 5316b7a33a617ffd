"""One job from its request to its result: here a model meets a probe.

`perform` does it in any process; `main` is the worker of the local executor, which receives the
request from the fork server and sends progress and result back, one line of JSON per message.
Whatever the job prints goes to its log file, by way of the server.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from cnnbench.errors import JobFailed, Unavailable, UserError, brief, explained, is_out_of_memory
from cnnbench.execution.job import JobRequest, JobResult, identity_text
from cnnbench.execution.model_interface import resolve_interface
from cnnbench.models.handle import ModelHandle
from cnnbench.plugins import PROBES
from cnnbench.probes.device import Device
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.probe import Probe
from cnnbench.probes.settings import Setting
from cnnbench.record import PREPARE, Status
from cnnbench.units import exact_bytes

_LONGEST_REASON = 500  # characters


def main(request_json: str, channel: socket.socket) -> NoReturn:
    """Do one job, send its result, and end the process without Python's shutdown."""
    request = JobRequest(**json.loads(request_json))
    me = os.getpid()

    def send(event: str, content: dict[str, Any]) -> None:
        if os.getpid() != me:  # a child that the model forked and that came back here
            os._exit(0)
        with contextlib.suppress(OSError):  # the parent has ended
            channel.sendall(json.dumps({"event": event, **content}).encode() + b"\n")

    limit_memory(request)
    send("started", {"pid": me})
    result = perform(
        request,
        report_progress=lambda message: send("progress", {"text": message}),
        report_predicted_peak=lambda size: send("predicted_peak", {"bytes": size}),
    )
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    try:
        send("result", asdict(result))
    except (TypeError, ValueError) as error:
        send("result", asdict(JobResult("failed", f"the probe's result is not JSON: {error}")))
    os._exit(0)


def limit_memory(request: JobRequest) -> None:
    """Limit the private memory of this process to what the job may use."""
    if request.memory_limit:
        # Not RLIMIT_AS: it counts reserved address space, of which TensorFlow takes plenty.
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]  # of the shell, which none may raise
        bounds = [request.memory_limit, *([hard] if hard != resource.RLIM_INFINITY else [])]
        resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), min(bounds)))


def perform(
    request: JobRequest,
    report_progress: Callable[[str], None] = lambda message: None,
    report_predicted_peak: Callable[[int], None] = lambda size: None,
) -> JobResult:
    """Do one job in this process; every exception becomes a result.

    Args:
        request: the job; its limits of time and memory are the caller's to enforce.
        report_progress: takes progress messages.
        report_predicted_peak: takes the bytes that the process is predicted to need, which is
            evidence if it then dies.
    """
    for folder in reversed(request.search_path):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    try:
        found = _probe(request, report_progress, report_predicted_peak)
        return JobResult(
            "ok",
            metrics={name: float(value) for name, value in found.metrics.items()},
            samples={name: [float(v) for v in values] for name, values in found.samples.items()},
            details=found.details,
            environment=found.environment,
        )
    except Unavailable as error:
        return JobResult("skipped", brief(error, _LONGEST_REASON))
    except (JobFailed, UserError) as error:
        return JobResult(
            "failed",
            brief(error, _LONGEST_REASON),
            error=_traceback(),
            is_user_error=isinstance(error, UserError),
        )
    except BaseException as error:  # SystemExit of a user's builder included
        reason = explained(error)
        out_of_memory = is_out_of_memory(error)
        status: Status = "oom" if out_of_memory else "failed"
        if out_of_memory and request.memory_limit:
            reason += f" (the job's limit is {exact_bytes(request.memory_limit)})"
        return JobResult(status, reason, error=_traceback())


def _probe(
    request: JobRequest,
    report_progress: Callable[[str], None],
    report_predicted_peak: Callable[[int], None],
) -> ProbeResult:
    from cnnbench.models import registry

    search_path = tuple(Path(folder) for folder in request.search_path)
    model: ModelHandle = registry.resolve(request.model, search_path)
    if request.identity and identity_text(model.identity()) != request.identity:
        raise JobFailed(
            f"{request.model} has changed since the suite was planned: rerun the command"
        )
    probe = PROBES[request.probe]
    setting = probe.read_setting(request.setting)
    device = _device(request, probe, setting)
    if not probe.counts_only:
        model = resolve_interface(model)
    measuring = probe.measuring()
    act = measuring.prepare if request.repeat == PREPARE else measuring.run
    context = Context(
        repeat=0 if request.repeat == PREPARE else int(request.repeat),
        artifacts=Path(request.artifacts),
        scratch=Path(request.scratch),
        data_dir=Path(request.data_dir) if request.data_dir else None,
        memory_limit=request.memory_limit,
        search_path=search_path,
        cache=Path(request.cache) if request.cache else None,
        run=Path(request.run) if request.run else None,
        fastest=request.fastest,
        device=device,
        report_progress=report_progress,
        report_predicted_peak=report_predicted_peak,
    )
    found: ProbeResult = act(model, setting, context)
    return found


def _device(request: JobRequest, probe: Probe, setting: Setting) -> Device | None:
    """Return the device that measures; None for what is made or counted here.

    Raises:
        Unavailable: the probe measures the machine that it runs on, and no other.
    """
    if not request.device:
        return None
    if setting.depends_on_machine and not probe.measures_devices:
        raise Unavailable(f"{probe.name} is not measured on another device")
    from cnnbench.execution.ssh.connection import connect

    return connect(request.device, request.timeout_s, request.memory_limit, sys.stderr.write)


def _traceback() -> str:
    """Write the traceback to the log, and return its end for the record.

    A journal may be published, so the record names files relative to where they are imported
    from: ``keras/src/...``, not somebody's home folder.
    """
    text = traceback.format_exc()
    with contextlib.suppress(Exception):
        sys.stderr.write(text)
    for folder in sorted(filter(None, sys.path), key=len, reverse=True):
        text = text.replace(f'File "{folder.rstrip("/")}/', 'File "')
    return text[-4000:]
