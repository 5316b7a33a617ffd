"""A piece of work in a forked process that may use so much memory and no more.

Whether it fitted is an answer, not a crash. The process that forks must not have made a tensor:
TensorFlow's threads do not survive a fork.
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
_PIECE = 2**20  # more than a pipe holds, so that one reading empties it


@dataclass(frozen=True)
class Attempt:
    """How the work ended.

    Attributes:
        value: what it returned; None where it did not come to its end.
        ending: why not: an exception in words, or a signal; empty where it did.
        evidence: what in its output says that memory ran out; empty where nothing does.
    """

    value: Any = None
    ending: str = ""
    evidence: str = ""

    @property
    def ended_well(self) -> bool:
        return not self.ending


def attempt(work: Callable[[], Any], limit: int | None) -> Attempt:
    """Do ``work`` in a process of its own and tell how it ended; its output goes where ours goes.

    Args:
        work: returns something that JSON can say.
        limit: bytes of private memory (``RLIMIT_DATA``: what is reserved only does not count).

    Raises:
        ValueError: ``limit`` is above what this process itself may use.
    """
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if limit is not None and hard != resource.RLIM_INFINITY and limit > hard:
        raise ValueError(f"{limit} bytes are above the limit of this process, {hard}")
    answers, writer = os.pipe()
    printed, output = os.pipe()
    child = os.fork()
    if child == 0:
        _work(work, limit, writer, output)
    os.close(writer)
    said, tail = _listen(answers, printed)
    for descriptor in (answers, printed, output):
        os.close(descriptor)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return _judge(said, code, tail)


def _listen(answers: int, printed: int) -> tuple[bytes, bytes]:
    """All that the child answers, and the end of what it prints, which is passed on as it comes.

    It is over when the answer is: the output may be held open by what the child has started.
    """
    os.set_blocking(printed, False)
    said = tail = b""
    is_over = False
    while not is_over:
        ready, _, _ = select.select([answers, printed], [], [])
        if answers in ready:
            piece = os.read(answers, _PIECE)
            said += piece
            is_over = not piece
        with contextlib.suppress(BlockingIOError):  # where nothing was printed
            piece = os.read(printed, _PIECE)
            os.write(2, piece)
            tail = (tail + piece)[-_TAIL:]
    return said, tail


def _work(work: Callable[[], Any], limit: int | None, writer: int, output: int) -> NoReturn:
    """The child; it never returns to what called it."""
    code = 1
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        answer = {"value": work()}
        os.write(writer, json.dumps(answer).encode())
        code = 0
    except BaseException as error:
        words = explained(error)
        os.write(2, words.encode(errors="replace") + b"\n")
        os.write(writer, json.dumps({"ending": words}).encode())
    finally:
        os._exit(code)


def _judge(said: bytes, code: int, output: bytes) -> Attempt:
    found = OUT_OF_MEMORY.search(output)
    evidence = found[0].decode() if found else ""
    try:
        answer = json.loads(said)
    except ValueError:
        ending = f"signal {-code}" if code < 0 else f"exit code {code}"
        return Attempt(ending=ending, evidence=evidence)
    if "ending" in answer:
        return Attempt(ending=answer["ending"], evidence=evidence)
    return Attempt(value=answer["value"])
