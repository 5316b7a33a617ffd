"""The part that runs on a device: receives a task and files, does it, answers, and removes all.

It is sent by `script` and imports the standard library, NumPy and the runtime alone. ``stdin`` has
one line of JSON with the task and the sizes of the files, and then the files; it stays open as long
as somebody waits for the answer. ``stdout`` gets lines of JSON, each after `MARK`; whatever else is
printed goes to ``stderr``.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import os
import resource
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import numpy as np

from cnnbench import environment
from cnnbench.environment import version_of
from cnnbench.errors import JobFailed, Unavailable, explained, is_out_of_memory
from cnnbench.probes.latency.observation import observed
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.probes.latency.timed_round import TimingConfig
from cnnbench.probes.memory import peak

MARK = "cnnbench-answer "
EXPECTED = "expected.npz"
_GRACE_S = 60.0  # after the limit of the job, which is enforced where it waits


def main() -> None:
    """Do the task on ``stdin``, and end the process."""
    channel = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    given = sys.stdin.buffer
    task: dict[str, Any] = json.loads(given.readline())
    folder = Path(tempfile.mkdtemp(prefix="cnnbench-"))

    def leave(code: int) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(code)

    def send(event: str, content: Mapping[str, Any]) -> None:
        text = json.dumps({"event": event, **content}, allow_nan=True)
        data = memoryview(f"\n{MARK}{text}\n".encode())
        while data:
            data = data[channel.write(data) or 0 :]

    try:
        _receive(given, task["files"], folder)
        _watch(given, leave, float(task["timeout_s"]))
        answer = _answer(task, folder, lambda message: send("progress", {"text": message}))
        shutil.rmtree(folder, ignore_errors=True)
        send("result", answer)
    except BaseException:  # the channel broke, or the files never came
        leave(1)
    leave(0)


def _receive(given: BinaryIO, sizes: Mapping[str, int], folder: Path) -> None:
    for name, size in sizes.items():
        with (folder / name).open("wb") as file:
            left = size
            while left:
                data = given.read(min(left, 2**20))
                if not data:
                    raise EOFError(f"{name} ends early")
                file.write(data)
                left -= len(data)


def _watch(given: BinaryIO, leave: Callable[[int], None], timeout_s: float) -> None:
    """End this process when nobody waits for it any more, or when it takes too long."""

    def until_closed() -> None:
        while given.read(1):
            pass
        leave(1)

    threading.Thread(target=until_closed, daemon=True).start()
    timer = threading.Timer(timeout_s + _GRACE_S, leave, (1,))
    timer.daemon = True
    timer.start()


def _answer(
    task: Mapping[str, Any], folder: Path, report_progress: Callable[[str], None]
) -> dict[str, Any]:
    """Do a task; every exception becomes an answer."""
    if limit := task["memory_limit"]:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        found = _TASKS[task["do"]](task, folder, report_progress)
    except Unavailable as error:
        return {"status": "skipped", "reason": str(error)}
    except JobFailed as error:
        return {"status": "failed", "reason": str(error)}
    except BaseException as error:
        status = "oom" if is_out_of_memory(error) else "failed"
        return {"status": status, "reason": explained(error)}
    facts = {**environment.describe(), "cnnbench": task["cnnbench"], "name": task["name"]}
    return {"status": "ok", "environment": facts, **found}


def _describe(task: Mapping[str, Any], folder: Path, _: Callable[[str], None]) -> dict[str, Any]:
    return {}


def _time(
    task: Mapping[str, Any], folder: Path, report_progress: Callable[[str], None]
) -> dict[str, Any]:
    """Measure a round, as the ``latency`` probe does."""
    runtime = _runtime(task, folder)
    with np.load(folder / EXPECTED) as archive:
        images = [archive[name] for name in archive.files if name.startswith("input_")]
    report_progress("timing on the device")
    workload = RUNTIMES[task["setting"]["runtime"]].reference
    found = observed(runtime, images, workload, TimingConfig(**task["config"]), task["fastest"])
    return {
        "metrics": found.result.metrics,
        "samples": found.result.samples,
        "details": found.result.details,
        "arrays": _packed(found.outputs),
        "tolerance": found.tolerance,
    }


def _memory(task: Mapping[str, Any], folder: Path, _: Callable[[str], None]) -> dict[str, Any]:
    """Measure the memory needed to open a file and run it once."""
    runtime = _runtime(task, folder)
    with np.load(folder / EXPECTED) as archive:
        image = archive["input_0"]
    peak.return_freed_memory()
    for module in RUNTIMES[task["setting"]["runtime"]].there.values():
        importlib.import_module(module)  # its code does not count
    found = peak.of_opening(runtime, image)
    return {
        "metrics": {"memory_infer_peak_bytes": found.bytes},
        "details": {"before_bytes": found.before},
    }


def _outputs(
    task: Mapping[str, Any], folder: Path, report_progress: Callable[[str], None]
) -> dict[str, Any]:
    """Return the outputs of a file for images, one at a time."""
    runtime = _runtime(task, folder)
    images = np.load(folder / "images.npy")
    runtime.start()
    runtime.load()
    runtime.compile(images[:1])
    calls = [runtime.outputs(runtime.call(runtime.feed(image[None]))) for image in images]
    runtime.close()
    return {"arrays": _packed([np.concatenate(parts) for parts in zip(*calls, strict=True)])}


_Task = Callable[[Mapping[str, Any], Path, Callable[[str], None]], dict[str, Any]]
_TASKS: Mapping[str, _Task] = {
    "describe": _describe,
    "time": _time,
    "memory": _memory,
    "outputs": _outputs,
}


def _runtime(task: Mapping[str, Any], folder: Path) -> Any:
    """Return the runtime of a task, which opens the files in ``folder``.

    Raises:
        Unavailable: it is not installed.
    """
    setting = SimpleNamespace(**task["setting"])
    info = RUNTIMES[setting.runtime]
    for package in info.there:
        if version_of(package) is None:
            raise Unavailable(f"{package} is not installed there: pip install {package}")
    model: Any = SimpleNamespace(
        label=task["model"], input_shape=tuple(task["input_shape"]), converted_file=None
    )
    given: Any = setting
    return info.create(model, given, folder)


def _packed(arrays: Any) -> str:
    stream = io.BytesIO()
    np.savez(stream, **{f"output_{n}": array for n, array in enumerate(arrays)})
    return base64.b64encode(stream.getvalue()).decode()
