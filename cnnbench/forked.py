"""Run a function in a forked process, under a memory limit if wanted; its death is a result.

The calling process must not have made a tensor: TensorFlow's threads do not survive a fork.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from cnnbench.errors import OUT_OF_MEMORY, explained

_TAIL = 16384
_PIECE = 2**20  # more than a pipe holds, so that one read empties it
_CHECK_EVERY_S = 0.5


@dataclass(frozen=True)
class ForkedRun:
    """Result of a function that ran in a forked process.

    Attributes:
        value: what the function returned; None if it failed.
        failure: an exception in one line, or a signal; empty if it succeeded.
        evidence: the part of its output that shows that memory ran out; empty if there is none.
    """

    value: Any = None
    failure: str = ""
    evidence: str = ""

    @property
    def succeeded(self) -> bool:
        return not self.failure


def run_forked(function: Callable[[], Any], limit: int | None = None) -> ForkedRun:
    """Call ``function`` in a process of its own; its output goes to this process's stderr.

    Args:
        function: returns a value that JSON can hold.
        limit: bytes of private memory (``RLIMIT_DATA``, which ignores memory that is only
            reserved); None for no limit.

    Raises:
        ValueError: ``limit`` is above the limit of this process itself.
    """
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if limit is not None and hard != resource.RLIM_INFINITY and limit > hard:
        raise ValueError(f"{limit} bytes are above the limit of this process, {hard}")
    results, result_writer = os.pipe()
    output, output_writer = os.pipe()
    child = os.fork()
    if child == 0:
        _work(function, limit, result_writer, output_writer)
    os.close(result_writer)
    result, tail = _read(results, output, child)
    for descriptor in (results, output, output_writer):
        os.close(descriptor)
    exit_code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return _judge(result, exit_code, tail)


def _read(results: int, output: int, child: int) -> tuple[bytes, bytes]:
    """Return the child's result and the end of its output, which is passed on as it comes.

    Ends with the result or the child: processes that it has forked hold both pipes open.
    """
    for descriptor in (results, output):
        os.set_blocking(descriptor, False)
    result = tail = b""
    is_over = False
    while not is_over:
        is_over = _has_ended(child)  # what it wrote is in the pipes by now
        select.select([results, output], [], [], 0 if is_over else _CHECK_EVERY_S)
        with contextlib.suppress(BlockingIOError):  # nothing was written
            piece = os.read(results, _PIECE)
            result += piece
            is_over |= not piece
        with contextlib.suppress(BlockingIOError):
            piece = os.read(output, _PIECE)
            os.write(2, piece)
            tail = (tail + piece)[-_TAIL:]
    return result, tail


def _has_ended(child: int) -> bool:
    """Return whether ``child`` has ended; its exit code can still be read afterwards."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _work(
    function: Callable[[], Any], limit: int | None, result_writer: int, output_writer: int
) -> NoReturn:
    """Run the child; it never returns to its caller."""
    exit_code = 1
    try:
        os.dup2(output_writer, 1)
        os.dup2(output_writer, 2)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        result = {"value": function()}
        os.write(result_writer, json.dumps(result).encode())
        exit_code = 0
    except BaseException as error:
        words = explained(error)
        os.write(2, words.encode(errors="replace") + b"\n")
        os.write(result_writer, json.dumps({"failure": words}).encode())
    finally:
        os._exit(exit_code)


def _judge(result: bytes, exit_code: int, output: bytes) -> ForkedRun:
    found = OUT_OF_MEMORY.search(output)
    evidence = found[0].decode() if found else ""
    try:
        values = json.loads(result)
    except ValueError:
        failure = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
        return ForkedRun(failure=failure, evidence=evidence)
    if "failure" in values:
        return ForkedRun(failure=values["failure"], evidence=evidence)
    return ForkedRun(value=values["value"])
