"""Functions in forked processes: results, output, limits, and how they end."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cnnbench.forked import run_forked
from tests.processes import is_alive

_MB = 10**6


def _a_gigabyte() -> int:
    """A limit a gigabyte above what this process, and so a fork of it, has already."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmData:"))
    return int(line.split()[1]) * 1024 + 10**9


def test_returns_the_value_and_passes_output_on(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> dict[str, int]:
        os.write(1, b"working\n")
        return {"answer": len(bytearray(20 * _MB))}

    found = run_forked(work, _a_gigabyte())
    assert found.succeeded and found.value == {"answer": 20 * _MB}
    assert capfd.readouterr().err == "working\n"


def test_long_output_is_not_held_in_memory(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def work() -> None:
        for _ in range(2_000):
            os.write(2, b"x" * 10_000)
        os.write(2, b"std::bad_alloc")
        os.kill(os.getpid(), signal.SIGKILL)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = run_forked(work)
    assert found.failure == "signal 9" and found.evidence == "bad_alloc"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10 * 1024
    assert len(capfd.readouterr().err) == 20_000_000 + 14


def test_does_not_wait_for_processes_left_behind() -> None:
    def work() -> int:
        left_behind = subprocess.Popen(["sleep", "1000000"], start_new_session=True)
        os.close(1)
        return left_behind.pid

    pid = run_forked(work).value
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("dies", [False, True])
def test_does_not_wait_for_forked_processes(dies: bool) -> None:
    """It inherits the pipes, so that they do not end with the work."""
    reader, writer = os.pipe()

    def work() -> int:
        forked = os.fork()
        if forked == 0:
            time.sleep(60)
            os._exit(0)
        os.write(writer, f"{forked}\n".encode())
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return forked

    began = time.monotonic()
    found = run_forked(work)
    assert time.monotonic() - began < 30
    pid = int(os.read(reader, 32))
    assert found.failure == "signal 9" if dies else found.value == pid
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)
    os.close(reader)
    os.close(writer)


def test_running_out_of_memory_leaves_evidence() -> None:
    found = run_forked(lambda: len(bytearray(2 * 10**9)), _a_gigabyte())
    assert not found.succeeded
    assert "MemoryError" in found.failure and found.evidence == "MemoryError"


def test_death_by_signal_leaves_no_evidence() -> None:
    found = run_forked(lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert found.failure == "signal 9" and not found.evidence
