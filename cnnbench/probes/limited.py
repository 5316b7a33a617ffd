"""A piece of work in a forked process that may use so much memory and no more.

Whether it fitted is an answer, not a crash. The process that forks must not have made a tensor:
TensorFlow's threads do not survive a fork.
"""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from cnnbench.core.errors import OUT_OF_MEMORY

_TAIL = 16384


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


def attempt(work: Callable[[], Any], limit: int | None, log: Path) -> Attempt:
    """Do ``work`` in a process of its own and tell how it ended.

    Args:
        work: returns something that JSON can say.
        limit: bytes of private memory (``RLIMIT_DATA``: what is reserved only does not count).
        log: where its output goes; added to the output of this process, then deleted.

    Raises:
        ValueError: ``limit`` is above what this process itself may use.
    """
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if limit is not None and hard != resource.RLIM_INFINITY and limit > hard:
        raise ValueError(f"{limit} bytes are above the limit of this process, {hard}")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _work(work, limit, log, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        said = stream.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    output = log.read_bytes() if log.exists() else b""
    os.write(2, output)
    log.unlink(missing_ok=True)
    return _judge(said, code, output[-_TAIL:])


def _work(work: Callable[[], Any], limit: int | None, log: Path, writer: int) -> NoReturn:
    """The child; it never returns to what called it."""
    code = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        answer = {"value": work()}
        os.write(writer, json.dumps(answer).encode())
        code = 0
    except BaseException as error:
        words = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        os.write(2, words.encode() + b"\n")
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
