"""The executor for this machine: a process per job, forked from a server that has TensorFlow ready.

The parent sleeps in the kernel until the worker sends a message or ends; it never polls, so that
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
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from cnnbench import environment
from cnnbench.environment import variables
from cnnbench.errors import OUT_OF_MEMORY, UserError
from cnnbench.execution.executor import JobEnded, JobEvent, JobProgress, JobStarted
from cnnbench.execution.job import JobRequest, JobResult

# Seconds for the server to import TensorFlow, on top of the first job's own timeout.
_SERVER_START_S = 180.0
_NEAR = 0.8  # of the memory limit: a death by signal there counts as out of memory
_LARGEST_MESSAGE = 64 * 2**20
# In the environment variables of the server, and so of everything that its workers start.
_MARK = "CNNBENCH_SERVER"
_SCANS = 20  # a process may fork while /proc is read


class LocalExecutor:
    """Runs jobs one after another, each in a process of its own.

    The fork server starts with the first job, and again if a job needs another environment or the
    server has died; its own output goes to ``server.log`` beside the job's log.
    """

    capacity = 1
    uses_this_machine = True

    def __init__(self) -> None:
        self._mark = uuid.uuid4().hex
        self._queue: deque[JobRequest] = deque()
        self._server: subprocess.Popen[bytes] | None = None
        self._variables: dict[str, str] = {}
        self._described: Mapping[str, Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._described = None  # another run may come later, under another load

    def environment(self) -> Mapping[str, Any]:
        """Return the description of this machine, taken when it is first asked for."""
        if self._described is None:
            self._described = environment.describe()
        return self._described

    def submit(self, request: JobRequest) -> None:
        """Accept a job; it runs while `events` is iterated."""
        self._queue.append(request)

    def events(self) -> Iterator[JobEvent]:
        """Run the submitted jobs; every way of ending is a result.

        An interrupt passes through; `close` then kills the worker.
        """
        while self._queue:
            request = self._queue.popleft()
            yield JobStarted(request)
            result = yield from self._run(request)
            yield JobEnded(request, replace(result, environment=self.environment()))

    def _run(self, request: JobRequest) -> Generator[JobEvent, None, JobResult]:
        server, log = self._running_server(request)
        talk = _Talk(self._channel, request)
        try:
            self._channel.sendall(request.to_json().encode() + b"\n")
            in_time = yield from talk.listen(request.timeout_s)
            if not in_time:
                _kill_session(talk.pid)
                if not (yield from talk.listen(10.0, start=0.0)):
                    server.kill()  # the kernel then kills the worker
                    server.wait()  # so that the next job finds it gone
        except OSError:
            in_time = True  # the channel broke: judged by what was received
        if not talk.ended:
            _kill_session(talk.pid)
        return _judge(talk, in_time, request, log)

    def close(self) -> None:
        """Kill the server, its worker and what that forked; nothing is left when this returns."""
        self._queue.clear()
        if self._server is None:
            return
        # Closing the channel makes the server kill its descendants; it may be busy importing.
        self._channel.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._server.wait(timeout=1.0)
        self._server.kill()
        self._server.wait()
        self._server = None
        _kill_marked(self._mark)

    def _running_server(self, request: JobRequest) -> tuple[subprocess.Popen[bytes], Path]:
        """The server in the environment variables that the job needs, and its log."""
        log = Path(request.log).with_name("server.log")
        needed = _variables_of(request)
        if self._server and (self._server.poll() is not None or needed != self._variables):
            self.close()
        if self._server is None:
            self._variables = needed
            self._server = self._start_server(log)
        return self._server, log

    def _start_server(self, log: Path) -> subprocess.Popen[bytes]:
        self._channel, theirs = socket.socketpair()
        with theirs, log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "cnnbench.execution.local.server", str(theirs.fileno())],
                env=self._variables | {_MARK: self._mark},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )


def at(address: str) -> LocalExecutor:
    """Return the executor for this machine, which has no address.

    Raises:
        UserError: an address is given.
    """
    if address:
        raise UserError("the executor 'local' takes no address", "--on", "write --on local")
    return LocalExecutor()


def _variables_of(request: JobRequest) -> dict[str, str]:
    """Environment variables that Keras and TensorFlow read when they are imported."""
    found = dict(os.environ)
    variables.override(found)
    if request.keras_2:
        found["TF_USE_LEGACY_KERAS"] = "1"
    if request.data_dir is not None:
        found["KERAS_HOME"] = str(Path(request.data_dir) / "keras")
    return found


class _Talk:
    """Messages about one job, from the worker and at last from the server."""

    def __init__(self, channel: socket.socket, request: JobRequest) -> None:
        self.pid: int | None = None
        self.result: JobResult | None = None
        self.ended = False
        self.exit_code = 0
        self.killed_for = ""
        self.predicted_peak = 0
        self.peak = 0
        self._channel, self._request = channel, request
        self._received = b""

    def listen(
        self, timeout: float, start: float = _SERVER_START_S
    ) -> Generator[JobProgress, None, bool]:
        """Yield progress until the job has ended; return False if it did not end in time.

        ``start`` is the time it may take to begin, on top of ``timeout``; both in seconds.
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
            yield from self._receive(data)
            if self.pid is not None and not was_started:
                deadline = time.monotonic() + timeout
        return True

    def _receive(self, data: bytes) -> Iterator[JobProgress]:
        *lines, self._received = (self._received + data).split(b"\n")
        if len(self._received) > _LARGEST_MESSAGE:
            self._received = b""
        for line in lines:
            message = None
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a worker died in a line
                message = self._understand(json.loads(line))
            if message is not None:
                yield JobProgress(self._request, message)

    def _understand(self, message: dict[str, Any]) -> str | None:
        """Note one message; return the words of one that reports progress."""
        match message.pop("event"):
            case "started":
                self.pid = int(message["pid"])
            case "progress":
                return " ".join(str(message["text"]).split())
            case "predicted_peak":
                self.predicted_peak = int(message["bytes"])
            case "result":
                self.result = JobResult(**message)
            case "ended":
                self.ended, self.exit_code = True, int(message["exit_code"])
                self.killed_for = str(message["killed_for"])
                self.peak = int(message["peak"])
        return None


def _judge(talk: _Talk, in_time: bool, request: JobRequest, server_log: Path) -> JobResult:
    if talk.result is not None:
        return talk.result
    if not in_time:
        return JobResult("timeout", f"took longer than the limit of {request.timeout_s:g} s")
    tail = _tail(Path(request.log))
    error = tail.decode(errors="replace")[-4000:]
    if not talk.ended:  # if it never started, its own output says why
        of_server = _tail(server_log).decode(errors="replace")
        return JobResult("failed", "the fork server died", error=f"{error}{of_server}"[-4000:])
    if talk.killed_for:
        return JobResult("failed", talk.killed_for, error=error)
    ending = _ending(talk.exit_code)
    evidence = _oom_evidence(tail, talk, request.memory_limit)
    if talk.exit_code < 0 and evidence:
        return JobResult("oom", f"out of memory: {ending}, {evidence}", error=error)
    return JobResult("failed", f"{ending}, no result", error=error)


def _ending(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    with contextlib.suppress(ValueError):
        return f"signal {-exit_code} ({signal.Signals(-exit_code).name})"
    return f"signal {-exit_code}"


def _oom_evidence(log_tail: bytes, talk: _Talk, limit: int | None) -> str:
    """Return why a death by signal counts as out of memory; empty if there is no evidence."""
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
    """Kill processes that a worker left in sessions of their own, if the server was killed.

    Such a process shares neither parent nor group with the worker, but its environment variables.
    """
    for _ in range(_SCANS):
        found = list(_marked(f"{_MARK}={mark}".encode()))
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _marked(words: bytes) -> Iterator[int]:
    for file in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if words in file.read_bytes():
                yield int(file.parent.name)


def _kill_session(pid: int | None) -> None:
    """Kill a worker and all of its process group, which it leads."""
    if pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
