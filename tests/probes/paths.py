"""Call paths on the networks of `tests.probes.tiny`, each job in a process of its own."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import IO, Any

import pytest

from cnnbench.errors import Unavailable
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.probes.latency.settings import LatencySetting

_ROOT = Path(__file__).parents[2]


def require(runtime: str) -> None:
    try:
        RUNTIMES[runtime].check(LatencySetting(runtime=runtime))
    except Unavailable as error:
        pytest.skip(str(error))


def prepare_and_run(
    setting: LatencySetting, folder: Path, network: str = "Tiny"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Threads are set before TensorFlow's first tensor, so every job needs a process."""
    request = json.dumps([setting.model_dump_json(), str(folder), network])
    answer, said = _answer(request)
    if not answer:  # a test of another file may end the children of pytest, a moment ago too
        _server.cache_clear()
        answer, said = _answer(request)
    assert answer, said
    made, found = json.loads(answer)
    return made, found


def _answer(request: str) -> tuple[str, str]:
    """Return a line of JSON, empty if the server has ended, and what the job wrote beside it."""
    server, log = _server()
    assert server.stdin and server.stdout
    begin = log.seek(0, os.SEEK_END)
    with contextlib.suppress(BrokenPipeError):
        server.stdin.write(request + "\n")
        server.stdin.flush()
    answer = server.stdout.readline()
    log.seek(begin)
    return answer, log.read()[-3000:]


@cache
def _server() -> tuple[subprocess.Popen[str], IO[str]]:
    """Start the process that forks the jobs of all tests, so that TensorFlow is imported once."""
    log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the server
    command = [sys.executable, "-m", "tests.probes.tiny"]
    server = subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
    )
    atexit.register(server.kill)
    return server, log
