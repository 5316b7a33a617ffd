"""The executor for this machine: a process per job, forked from a server that has TensorFlow ready.

The parent sleeps in the kernel until the worker sends a message or ends; it never polls, so that
nothing else runs during timings.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from cnnbench import environment
from cnnbench.environment import variables
from cnnbench.errors import UserError
from cnnbench.execution.executor import JobEnded, JobEvent, JobStarted
from cnnbench.execution.job import JobRequest, JobResult
from cnnbench.execution.local.conversation import Conversation, judge

# In the environment variables of the server, and so of everything that its workers start.
_MARK = "CNNBENCH_SERVER"
_SCANS = 20  # a process may fork while /proc is read


class LocalExecutor:
    """Runs jobs one after another, each in a process of its own.

    The fork server starts with the first job, and again if a job needs another environment or the
    server has died; its own output goes to ``server.log`` in the folder of the job's log.
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
            where = result.environment or self.environment()
            yield JobEnded(request, replace(result, environment=where))

    def _run(self, request: JobRequest) -> Generator[JobEvent, None, JobResult]:
        server, log = self._running_server(request)
        conversation = Conversation(self._channel, request)
        try:
            self._channel.sendall(request.to_json().encode() + b"\n")
            in_time = yield from conversation.listen(request.timeout_s)
            if not in_time:
                _kill_session(conversation.pid)
                if not (yield from conversation.listen(10.0, start=0.0)):
                    server.kill()  # the kernel then kills the worker
                    server.wait()  # so that the next job finds it gone
        except OSError:
            in_time = True  # the channel broke: judged by what was received
        if not conversation.ended:
            _kill_session(conversation.pid)
        return judge(conversation, in_time, request, log)

    def close(self) -> None:
        """Kill the server, its worker and what that forked; nothing is left when this returns."""
        self._queue.clear()
        self._stop_server()

    def _stop_server(self) -> None:
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
        """Return a server with the environment variables that the job needs, and its log."""
        log = Path(request.log).with_name("server.log")
        needed = _variables_of(request)
        if self._server and (self._server.poll() is not None or needed != self._variables):
            self._stop_server()
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
    """Return the executor for this machine; ``address`` must be empty.

    Raises:
        UserError: an address is given.
    """
    if address:
        raise UserError("the executor 'local' takes no address", "--on", "write --on local")
    return LocalExecutor()


def _variables_of(request: JobRequest) -> dict[str, str]:
    """Return the environment of a server: Keras and TensorFlow read it when they are imported."""
    found = dict(os.environ)
    variables.override(found)
    if request.keras_2:
        found["TF_USE_LEGACY_KERAS"] = "1"
    if request.data_dir is not None:
        found["KERAS_HOME"] = str(Path(request.data_dir) / "keras")
    return found


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


def _marked(mark: bytes) -> Iterator[int]:
    for file in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in file.read_bytes():
                yield int(file.parent.name)


def _kill_session(pid: int | None) -> None:
    """Kill a worker and all of its process group, which it leads."""
    if pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
