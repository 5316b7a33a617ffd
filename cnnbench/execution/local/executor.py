"""The executor for this machine: a process a job, forked from a server that has TensorFlow ready.

The parent sleeps in the kernel until the worker says something or ends; it never polls, so that
nothing runs beside what is timed.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cnnbench.environment import variables
from cnnbench.errors import OUT_OF_MEMORY
from cnnbench.execution.worker import JobRequest, JobResult

# What the server may take to import TensorFlow, on top of the first job's own timeout.
_SERVER_START_S = 180.0
_NEAR = 0.8  # of the memory limit: a death by signal there is of too little memory
_LARGEST_MESSAGE = 64 * 2**20
# In the environment of the server, and so of all that its workers start.
_MARK = "CNNBENCH_SERVER"
_SCANS = 20  # a process that forks may have done so while it was looked for


class LocalExecutor:
    """Runs orders one after another, each in a process of its own. A context manager."""

    def __init__(
        self, server_log: Path, data_dir: Path | None = None, keras_2: bool = False
    ) -> None:
        """Start the fork server, which goes on importing while the parent plans.

        Args:
            server_log: takes the server's output.
            data_dir: ``data_dir/keras`` is where Keras looks for weights, which it settles when
                it is imported.
            keras_2: whether ``tf.keras`` is Keras 2 in the workers, whatever the environment says.
        """
        self._server_log = server_log
        self._mark = uuid.uuid4().hex
        self._environment = {**os.environ, _MARK: self._mark}
        variables.override(self._environment)
        if keras_2:
            self._environment["TF_USE_LEGACY_KERAS"] = "1"
        if data_dir is not None:
            self._environment["KERAS_HOME"] = str(data_dir / "keras")
        self._start_server()

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, order: JobRequest, timeout: float, say: Callable[[str], None]) -> JobResult:
        """Do one order and return how it ended; every way of ending is an `Outcome`.

        ``timeout`` (seconds) counts from the moment the worker has started. An interrupt passes
        through; `close` then kills the worker.
        """
        if self._server.poll() is not None:  # killed between two jobs
            self.close()
            self._start_server()
        talk = _Talk(self._channel, say)
        try:
            self._channel.sendall(order.to_json().encode() + b"\n")
            in_time = talk.listen(timeout)
            if not in_time:
                _kill_session(talk.pid)
                if not talk.listen(10.0, start=0.0):
                    self._server.kill()  # the kernel then kills the worker
                    self._server.wait()  # so that the next job finds it gone
        except OSError:
            in_time = True  # the channel broke: judged by what was heard
        if not talk.ended:
            _kill_session(talk.pid)
        return _judge(talk, in_time, order, timeout, self._server_log)

    def close(self) -> None:
        """Kill the server, its worker and what that forked; nothing is left when this returns."""
        # Closing the channel makes the server kill its descendants; it may be busy importing.
        self._channel.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._server.wait(timeout=1.0)
        self._server.kill()
        self._server.wait()
        _kill_marked(self._mark)

    def _start_server(self) -> None:
        self._channel, theirs = socket.socketpair()
        with theirs, self._server_log.open("ab") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "cnnbench.execution.local.server", str(theirs.fileno())],
                env=self._environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


class _Talk:
    """What is heard of one job, from the worker and at last from the server."""

    def __init__(self, channel: socket.socket, say: Callable[[str], None]) -> None:
        self.pid: int | None = None
        self.result: dict[str, Any] | None = None
        self.ended = False
        self.exit_code: int | None = None
        self.killed_for = ""
        self.predicted_peak = 0.0
        self.peak = 0
        self._channel, self._say = channel, say
        self._heard = b""

    def listen(self, timeout: float, start: float = _SERVER_START_S) -> bool:
        """Wait until the job has ended; False where it did not end in time.

        ``start`` is what it may take to begin, on top of ``timeout``.
        """
        deadline = time.monotonic() + timeout + (0 if self.pid else start)
        while not self.ended:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._channel], [], [], left)[0]:
                return False
            was_started = self.pid is not None
            data = self._channel.recv(2**16)
            if not data:
                return True  # the server itself is gone
            self._hear(data)
            if self.pid is not None and not was_started:
                deadline = time.monotonic() + timeout
        return True

    def _hear(self, data: bytes) -> None:
        *lines, self._heard = (self._heard + data).split(b"\n")
        if len(self._heard) > _LARGEST_MESSAGE:
            self._heard = b""
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # half a line of the dead
                self._understand(json.loads(line))

    def _understand(self, message: dict[str, Any]) -> None:
        match message.pop("event"):
            case "started":
                self.pid = int(message["pid"])
            case "result":
                self.result = message
            case "ended":
                self.ended, self.exit_code = True, int(message["exit_code"])
                self.killed_for = str(message["killed_for"])
                self.peak = int(message["peak"])
            case "message":
                words = str(message["text"]).split()
                if words[:1] == ["predicted-peak"]:
                    self.predicted_peak = float(words[1])
                else:
                    self._say(" ".join(words))


def _judge(
    talk: _Talk, in_time: bool, order: JobRequest, timeout: float, server_log: Path
) -> JobResult:
    if talk.result is not None:
        return JobResult(**talk.result)
    if not in_time:
        return JobResult("timeout", f"took longer than the limit of {timeout:g} s")
    tail = _tail(Path(order.log))
    error = tail.decode(errors="replace")[-4000:]
    if not talk.ended:  # perhaps it never came up: then its own output says why
        of_server = _tail(server_log).decode(errors="replace")
        return JobResult("failed", "the fork server died", error=f"{error}{of_server}"[-4000:])
    if talk.killed_for:
        return JobResult("failed", talk.killed_for, error=error)
    ending = _ending(talk.exit_code or 0)
    evidence = _oom_evidence(tail, talk, order.memory_limit)
    if (talk.exit_code or 0) < 0 and evidence:
        return JobResult("oom", f"out of memory: {ending}, {evidence}", error=error)
    return JobResult("failed", f"{ending}, no result", error=error)


def _ending(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    with contextlib.suppress(ValueError):
        return f"signal {-exit_code} ({signal.Signals(-exit_code).name})"
    return f"signal {-exit_code}"


def _oom_evidence(log_tail: bytes, talk: _Talk, limit: int | None) -> str:
    """Why a death by signal is called out of memory; empty where nothing says so."""
    found = OUT_OF_MEMORY.search(log_tail)
    if found:
        return f"'{found[0].decode()}' in its log"
    for words, size in (("predicted to need", talk.predicted_peak), ("it had", talk.peak)):
        if limit and size >= _NEAR * limit:
            return f"{words} {size / 2**20:.0f} of {limit / 2**20:.0f} MiB"
    return ""


def _tail(file: Path, size: int = 16384) -> bytes:
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - size))
            return stream.read()
    except OSError:
        return b""


def _kill_marked(mark: str) -> None:
    """Kill what a worker left in a session of its own, where the server was killed before it could.

    Such a process has neither parent nor group in common with the worker, but its environment.
    """
    for _ in range(_SCANS):
        found = list(_marked(f"{_MARK}={mark}".encode()))
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _marked(words: bytes) -> Iterator[int]:
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if words in environment.read_bytes():
                yield int(environment.parent.name)


def _kill_session(pid: int | None) -> None:
    """Kill a worker and all of its process group, which it leads."""
    if pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
