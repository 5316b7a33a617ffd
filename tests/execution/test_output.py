"""Output of a worker goes to its log up to a limit, beyond which the worker is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from cnnbench.execution.local import output
from cnnbench.execution.local.output import Output
from tests.conftest import ROOT
from tests.processes import HANGS_AFTER_S

# The fork server with a worker that follows its request, and a parent that reads the results.
SERVER = """
import json, os, socket, subprocess, sys, time
from cnnbench.execution import worker
from cnnbench.execution.local import server

def main(request, channel):
    print("hello", flush=True)
    if json.loads(request)["does"] == "flood":
        while True:
            print("x" * 1000)
    if json.loads(request)["does"] == "leave flooding":
        subprocess.Popen([sys.executable, "-c", "while True: print('y' * 1000)"])
        time.sleep(10**6)
    os._exit(0)

worker.main = main
parent, child = socket.socketpair()
if os.fork() == 0:
    parent.close()
    server.prctl(server._PR_SET_CHILD_SUBREAPER, 1)
    server.serve(child)
    os._exit(0)
child.close()
for request in sys.argv[1:]:
    parent.sendall(request.encode() + b"\\n")
    heard = b""
    while b"ended" not in heard:
        heard += parent.recv(4096)
    print(heard.decode().strip())
"""


def served(tmp_path: Path, *requests: str) -> list[dict[str, Any]]:
    """Return the results of the requests; each has its own log."""
    words = [json.dumps({"does": does, "log": str(tmp_path / does)}) for does in requests]
    done = subprocess.run(
        [sys.executable, "-c", SERVER, *words],
        cwd=ROOT, capture_output=True, text=True, timeout=HANGS_AFTER_S, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_kills_a_worker_that_prints_without_end_and_serves_the_next(tmp_path: Path) -> None:
    ends = served(tmp_path, "flood", "nothing")
    assert all(end.pop("peak") > 2**20 for end in ends), "a process has a megabyte at least"
    assert ends[0] == {"event": "ended", "exit_code": -9, "killed_for": "printed more than 32 MiB"}
    assert ends[1] == {"event": "ended", "exit_code": 0, "killed_for": ""}
    assert (tmp_path / "flood").stat().st_size == output.MOST_BYTES
    assert (tmp_path / "nothing").read_text() == "hello\n"


def test_limits_the_output_of_a_workers_child_processes(tmp_path: Path) -> None:
    (end,) = served(tmp_path, "leave flooding")
    assert end["killed_for"] == "printed more than 32 MiB"
    assert (tmp_path / "leave flooding").stat().st_size == output.MOST_BYTES


def test_output_is_counted_if_the_log_cannot_be_written(tmp_path: Path) -> None:
    lost = Output(tmp_path / "nowhere" / "log", most_bytes=10)
    os.write(lost._writer, b"12345")
    assert lost.pass_on() and not lost.pass_on()
    assert not lost.is_too_much
    os.write(lost._writer, b"1234567890")
    lost.close()
    assert lost.is_too_much
