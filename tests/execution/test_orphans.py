"""Processes started by a model end with the fork server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.execution.test_containment import marked, processes_of
from tests.processes import HANGS_AFTER_S

# Replaces TensorFlow in the server, and has a probe that leaves an orphan process.
STAND_IN = """
import subprocess, time
from cnnbench.probes import static

def run(model, setting, context):
    subprocess.Popen(["sleep", "1000000"], start_new_session=True)
    context.report_progress("left")
    time.sleep(10**6)

static.run = run
"""
PROGRAM = """
import os, signal, sys
from cnnbench.probes.static import StaticSetting
from cnnbench.execution.executor import run_one
from cnnbench.execution.job import JobRequest
from cnnbench.execution.local.executor import LocalExecutor

def strike(message):
    if sys.argv[1] == "server":
        os.kill(executor._server.pid, signal.SIGKILL)
    elif sys.argv[1] == "stopped" and not struck:
        os.kill(executor._server.pid, signal.SIGSTOP)
    struck.append(message)

struck = []

request = JobRequest(
    id="job", model="LeNet5", search_path=(), probe="static",
    setting=StaticSetting().model_dump(mode="json"), repeat=0,
    artifacts=".", scratch=".", log="job.log", data_dir=None, memory_limit=None,
    # Long, because on a busy machine the server may be killed late.
    timeout_s=1800.0 if sys.argv[1] == "server" else 2.0,
)
with LocalExecutor() as executor:
    print(run_one(executor, request, strike).reason)
    if sys.argv[1] == "stopped":
        print(run_one(executor, request, strike).reason)
"""


def _run(folder: Path, victim: str) -> str:
    """Return the output of the program, run with a light substitute for TensorFlow."""
    (folder / "tensorflow.py").write_text(STAND_IN)
    path = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, victim],
        cwd=folder, env=marked(folder) | {"PYTHONPATH": path},
        capture_output=True, text=True, timeout=HANGS_AFTER_S, check=True,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize(
    ("victim", "reason"),
    [("server", "the fork server died"), ("none", "took longer than the limit of 2 s")],
)
def test_ends_processes_that_a_model_left_behind(tmp_path: Path, victim: str, reason: str) -> None:
    assert _run(tmp_path, victim).strip() == reason
    assert not processes_of(tmp_path)


@pytest.mark.slow
def test_replaces_a_server_that_does_not_answer(tmp_path: Path) -> None:
    done = _run(tmp_path, "stopped")
    assert done.splitlines() == ["took longer than the limit of 2 s"] * 2
    assert not processes_of(tmp_path)
