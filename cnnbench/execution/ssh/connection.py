"""A device behind ``ssh``: each task is one connection, and one fresh process there."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench import __version__
from cnnbench.environment import environment_id
from cnnbench.errors import CnnbenchError, JobFailed, Unavailable, UserError, brief
from cnnbench.execution.ssh import script
from cnnbench.execution.ssh.address import Address
from cnnbench.execution.ssh.there import MARK
from cnnbench.probes.device import DeviceAnswer, Files

# Reads the script, whose length is the first line, and runs it. Without quotes of one kind,
# newlines and exclamation marks, so that every shell takes it in quotes.
BOOTSTRAP = (
    "import sys; given = sys.stdin.buffer; size = int(given.readline()); "
    'exec(compile(given.read(size), "<cnnbench>", "exec"))'
)
_LOST = 255  # exit code of ssh itself
_NOT_FOUND = (126, 127)  # of a shell
_KILLED = 137  # by signal 9, mostly as memory ran out
_WAITS_S = (1.0, 5.0)  # before a lost task is done again
_LAST_S = 10.0  # for ssh to end after the answer


class ConnectionLost(CnnbenchError):
    """The connection broke, or there was none; the message is the last line of ``ssh``."""


class SshDevice:
    """A device that is reached by a command; the command runs Python there.

    Args:
        name: what the device is called in messages.
        command: of this machine, with the code to run there already in it (`BOOTSTRAP`).
        timeout_s: seconds that a task may take; the process there then ends by itself.
        memory_limit: bytes that a process there may use, or None.
        called: what it is called in tables; by default likewise.
        log: takes what a process there has printed.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        timeout_s: float = 60.0,
        memory_limit: int | None = None,
        called: str = "",
        log: Callable[[str], object] = lambda text: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._name, self._called, self._command = name, called or name, list(command)
        self._timeout_s, self._memory_limit = timeout_s, memory_limit
        self._log, self._sleep = log, sleep

    def do(
        self,
        task: Mapping[str, Any],
        files: Files,
        report_progress: Callable[[str], None] = lambda message: None,
    ) -> DeviceAnswer:
        """Do a task, again if the connection is lost; as in `cnnbench.probes.device.Device`."""
        for wait in _WAITS_S:
            try:
                return self._once(task, files, report_progress)
            except ConnectionLost as error:
                report_progress(f"the connection to {self._name} was lost: {error}")
            self._sleep(wait)
        try:
            return self._once(task, files, report_progress)
        except ConnectionLost as error:
            raise JobFailed(f"the connection to {self._name} was lost: {error}") from error

    def describe(self) -> Mapping[str, Any]:
        """Return the environment of the device.

        Raises:
            UserError: it cannot be reached, or lacks what measuring needs.
        """
        try:
            return self._once({"do": "describe"}, {}, lambda message: None).environment
        except ConnectionLost as error:
            hint = "ssh must reach it without a password, and know its key"
            raise UserError(f"cannot be reached: {error}", self._name, hint) from None
        except CnnbenchError as error:
            raise UserError(brief(error, 300), self._name, "see docs/remote.md") from None

    def _once(
        self, task: Mapping[str, Any], files: Files, report_progress: Callable[[str], None]
    ) -> DeviceAnswer:
        """Do a task in one connection.

        Raises:
            ConnectionLost: it broke before the answer.
            Unavailable, JobFailed, MemoryError: the answer.
        """
        sizes = {name: _size(content) for name, content in files.items()}
        whole = {
            **task,
            "files": sizes,
            "timeout_s": self._timeout_s,
            "memory_limit": self._memory_limit,
            "cnnbench": __version__,
            "name": self._called,
        }
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
                )
            except FileNotFoundError:
                raise JobFailed(f"{self._command[0]} is not installed here") from None
            with process:
                try:
                    answer = _talk(process, whole, files, report_progress)
                finally:
                    _end(process)
            printed = _printed(errors)
        self._log(printed)
        if answer is None:
            raise _explained(process.returncode, printed)
        return _read(answer)


def _talk(
    process: subprocess.Popen[bytes],
    task: Mapping[str, Any],
    files: Files,
    report_progress: Callable[[str], None],
) -> dict[str, Any] | None:
    """Send everything and return the answer; None if the process ends without one."""
    assert process.stdin and process.stdout
    sent = script.text().encode()
    with contextlib.suppress(BrokenPipeError):  # it has ended; what it printed says why
        process.stdin.write(b"%d\n%s" % (len(sent), sent))
        process.stdin.write(json.dumps(task).encode() + b"\n")
        for content in files.values():
            for piece in _pieces(content):
                process.stdin.write(piece)
        process.stdin.flush()
    for line in process.stdout:
        if not line.startswith(MARK.encode()):
            continue
        message: dict[str, Any] = json.loads(line[len(MARK) :])
        if message.pop("event") == "result":
            return message
        report_progress(str(message.get("text", "")))
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the connection; the process there ends at the latest when it sees that."""
    assert process.stdin
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(_LAST_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _explained(exit_code: int, printed: str) -> Exception:
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    last = lines[-1] if lines else f"exit code {exit_code}"
    if exit_code == _LOST:
        return ConnectionLost(last)
    if exit_code in _NOT_FOUND:
        return JobFailed(f"no Python there: {last}")
    if exit_code in (_KILLED, -9):
        return MemoryError("its process was killed on the device, as when memory runs out")
    if "numpy" in last and "ModuleNotFoundError" in last:
        return JobFailed("NumPy is not installed for the Python there: pip install numpy")
    return JobFailed(f"no answer from the device: {last}")


def _read(answer: Mapping[str, Any]) -> DeviceAnswer:
    reason = str(answer.get("reason", ""))
    match answer["status"]:
        case "skipped":
            raise Unavailable(reason)
        case "oom":
            raise MemoryError(f"out of memory on the device: {reason}")
        case "failed":
            raise JobFailed(f"on the device: {reason}")
    return DeviceAnswer(
        metrics=answer.get("metrics", {}),
        samples=answer.get("samples", {}),
        details=answer.get("details", {}),
        arrays=_unpacked(answer["arrays"]) if "arrays" in answer else (),
        tolerance=answer.get("tolerance", 0.0),
        environment=_described(answer["environment"]),
    )


def _described(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the environment of an answer under its own id, which names a file."""
    return {**facts, "id": environment_id(facts["fingerprint"])}


def _unpacked(text: str) -> list[np.ndarray]:
    with np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False) as archive:
        return [archive[name] for name in archive.files]


def _size(content: Path | bytes) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _pieces(content: Path | bytes) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while piece := file.read(2**20):
            yield piece


def _printed(errors: Any) -> str:
    errors.seek(0)
    return str(errors.read()[-4000:].decode(errors="replace"))


def connect(
    text: str,
    timeout_s: float = 60.0,
    memory_limit: int | None = None,
    log: Callable[[str], object] = lambda text: None,
) -> SshDevice:
    """Return the device of an address, what follows ``ssh://``; the rest is as in `SshDevice`.

    Raises:
        UserError: it is not an address.
    """
    address = Address.read(text)
    command = address.command(BOOTSTRAP)
    return SshDevice(str(address), command, timeout_s, memory_limit, address.host, log)
