"""Messages between the local executor and a job's process, and the result that follows."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from cnnbench.errors import OUT_OF_MEMORY
from cnnbench.execution.executor import JobProgress
from cnnbench.execution.job import JobRequest, JobResult

# Seconds for the server to import TensorFlow, on top of the first job's own timeout.
_SERVER_START_S = 180.0
_NEAR = 0.8  # of the memory limit: a death by signal there counts as out of memory
_LARGEST_MESSAGE = 64 * 2**20
# Raised for half a line, which a worker leaves if it is killed while it writes.
_BROKEN = (ValueError, LookupError, TypeError, AttributeError)


class Conversation:
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
            with contextlib.suppress(*_BROKEN):
                message = self._understand(json.loads(line))
            if message is not None:
                yield JobProgress(self._request, message)

    def _understand(self, message: dict[str, Any]) -> str | None:
        """Store one message; return the text of one that reports progress."""
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


def judge(
    conversation: Conversation, in_time: bool, request: JobRequest, server_log: Path
) -> JobResult:
    """Return the result that was sent, or else one that follows from the job's end and its log."""
    if conversation.result is not None:
        return conversation.result
    if not in_time:
        return JobResult("timeout", f"took longer than the limit of {request.timeout_s:g} s")
    tail = _tail(Path(request.log))
    error = tail.decode(errors="replace")[-4000:]
    if not conversation.ended:  # if it never started, its own output explains it
        server_output = _tail(server_log).decode(errors="replace")
        return JobResult("failed", "the fork server died", error=f"{error}{server_output}"[-4000:])
    if conversation.killed_for:
        return JobResult("failed", conversation.killed_for, error=error)
    ending = _ending(conversation.exit_code)
    evidence = _oom_evidence(tail, conversation, request.memory_limit)
    if conversation.exit_code < 0 and evidence:
        return JobResult("oom", f"out of memory: {ending}, {evidence}", error=error)
    return JobResult("failed", f"{ending}, no result", error=error)


def _ending(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    with contextlib.suppress(ValueError):
        return f"signal {-exit_code} ({signal.Signals(-exit_code).name})"
    return f"signal {-exit_code}"


def _oom_evidence(log_tail: bytes, conversation: Conversation, limit: int | None) -> str:
    """Return why a death by signal counts as out of memory; empty if there is no evidence."""
    found = OUT_OF_MEMORY.search(log_tail)
    if found:
        return f"'{found[0].decode()}' in its log"
    for claim, size in (
        ("predicted to need", conversation.predicted_peak),
        ("it used", conversation.peak),
    ):
        if limit and size >= _NEAR * limit:
            return f"{claim} {size / 2**20:.0f} of {limit / 2**20:.0f} MiB"
    return ""


def _tail(file: Path, size: int = 16384) -> bytes:
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - size))
            return stream.read()
    except OSError:
        return b""
