"""Concurrent runs on one machine: detection, warnings, and queueing with --wait."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from cnnbench.execution.machine_use import MachineUse
from tests.processes import wait_until

_PATIENCE_S = 300.0  # a safety net: no step takes that long


@pytest.fixture
def machine() -> str:
    """Return a machine name that no other test uses."""
    return f"test-{uuid4().hex[:12]}"


def test_two_concurrent_runs_detect_each_other(machine: str) -> None:
    first, second = MachineUse(machine), MachineUse(machine)
    with first.held("mobile"):
        assert first.others() == []
        with second.held("edge run/1"):
            assert second.others() == [f"mobile (process {os.getpid()})"]
            assert first.others() == [f"edge-run-1 (process {os.getpid()})"]
        assert first.others() == [], "it was told already"
    assert second.others() == []


def test_names_a_run_that_began_and_ended_meanwhile(machine: str) -> None:
    first = MachineUse(machine)
    with first.held("long"):
        for name in ("b", "a"):
            with MachineUse(machine).held(name):
                pass
        assert first.others() == [f"{name} (process {os.getpid()})" for name in "ab"]


@pytest.mark.parametrize("said", [b"", b"\xff\x00", b"cnnbench/a/b/c/d", b"x" * 4096])
def test_ignores_messages_that_are_not_a_run(machine: str, said: bytes) -> None:
    first, second = MachineUse(machine), MachineUse(machine)
    with first.held("one"), socket.socket(socket.AF_UNIX) as end:
        (name,) = second._names()
        end.connect(f"\0{name}")
        end.send(said)
        end.close()
        assert first.others() == []


def test_ignores_runs_of_another_machine(machine: str) -> None:
    with MachineUse(machine).held("one"), MachineUse(f"{machine}2").held("two", _refuse) as _:
        assert MachineUse(machine).others() == [f"one (process {os.getpid()})"]
    assert MachineUse(machine).others() == []


def _refuse(whom: str) -> None:
    raise AssertionError(f"waits for {whom}")


def test_a_waiting_run_begins_when_all_others_have_ended(machine: str) -> None:
    order: list[str] = []
    entered, waits = threading.Event(), threading.Event()

    def wait_for_the_turn() -> None:
        def heard(whom: str) -> None:
            order.append(whom)
            waits.set()

        with MachineUse(machine).held("patient", heard):
            order.append("begins")
            entered.set()

    with MachineUse(machine).held("first"), MachineUse(machine).held("beside"):
        thread = threading.Thread(target=wait_for_the_turn)
        thread.start()
        assert waits.wait(_PATIENCE_S)
        assert not entered.is_set()
        order.append("ends")
    thread.join(_PATIENCE_S)
    me = f"(process {os.getpid()})"
    assert order[0] == f"beside {me} and first {me}"
    assert order[-1] == "begins" and "ends" in order


def test_warns_and_continues_if_other_runs_cannot_be_detected(machine: str, tmp_path: Path) -> None:
    use = MachineUse(machine, sockets=tmp_path / "none")
    with use.held("alone", _refuse):
        assert use.others() == []
    assert "No such file" in use.problem


_HOLD = """
import sys
from cnnbench.execution.machine_use import MachineUse
with MachineUse(sys.argv[1]).held("killed"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_killed_run_blocks_no_other(machine: str) -> None:
    command = [sys.executable, "-c", _HOLD, machine]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"held\n"
        assert MachineUse(machine).others() == [f"killed (process {process.pid})"]
        process.send_signal(signal.SIGKILL)
        process.wait()
        with MachineUse(machine).held("next", _refuse):
            pass


_NETS = """
import pathlib, time

def tiny(name):
    import keras
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.Conv2D(4, 3)(inputs)))
    return keras.Model(inputs, outputs, name=name)

def quick():
    return tiny("quick")

def held():
    pathlib.Path("held.began").touch()
    while not pathlib.Path("held.go").exists():
        time.sleep(0.05)
    return tiny("held")
"""
_SUITE = """
name: {name}
models: ["nets:{model}"]
probes: {probes}
limits: {{timeout: 1h}}
"""
_TIMED = "{latency: {runtimes: [eager], min_rounds: 1, max_rounds: 1}}"


@pytest.fixture
def start(tmp_path: Path, machine: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start ``cnnbench run`` of a suite with one model, in a results folder of that name."""
    (tmp_path / "nets.py").write_text(_NETS)
    started = []

    def run(name: str, model: str, *options: str, probes: str = _TIMED) -> subprocess.Popen[str]:
        suite = tmp_path / f"{name}.yaml"
        suite.write_text(_SUITE.format(name=name, model=model, probes=probes))
        command = [sys.executable, "-m", "cnnbench", "run", suite.name, "--out", f"of_{name}"]
        started.append(
            subprocess.Popen(
                [*command, *options],
                cwd=tmp_path,
                env={**os.environ, "CNNBENCH_MACHINE": machine},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def beside(folder: Path) -> list[list[str]]:
    """Return the concurrent runs named in the records of the only run in ``folder``."""
    (journal,) = folder.glob("*/*/records.jsonl")
    records = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    assert {record["status"] for record in records} == {"ok"}
    return [record["details"].get("beside", []) for record in records]


@pytest.mark.slow
def test_a_concurrent_run_is_warned_and_both_runs_record_it(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    first = start("first", "held")
    assert wait_until((tmp_path / "held.began").exists, _PATIENCE_S)
    second = start("second", "quick")
    _, said = second.communicate(timeout=_PATIENCE_S)
    assert second.returncode == 0, said
    assert f"warning: also measuring on this machine: first (process {first.pid});" in said
    assert "--wait queues" in said
    (tmp_path / "held.go").touch()
    _, said = first.communicate(timeout=_PATIENCE_S)
    assert first.returncode == 0, said
    assert f"warning: also measuring on this machine: second (process {second.pid});" in said
    assert all(
        names == [f"first (process {first.pid})"] for names in beside(tmp_path / "of_second")
    )
    assert [f"second (process {second.pid})"] in beside(tmp_path / "of_first")
    report = next(tmp_path.glob("of_second/*/*/report.md")).read_text()
    assert "another run was measuring on this machine in 1 of 1 rounds" in report


@pytest.mark.slow
def test_wait_queues_a_run_unless_it_only_counts(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    first = start("first", "held")
    assert wait_until((tmp_path / "held.began").exists, _PATIENCE_S)
    counts = start("counts", "quick", "--wait", probes="{static: }")
    _, said = counts.communicate(timeout=_PATIENCE_S)
    assert counts.returncode == 0, said
    assert "wait" not in said and "warning" not in said

    second = start("second", "quick", "--wait")
    assert second.stderr
    heard = ""
    while "waiting" not in heard:
        heard = second.stderr.readline()
        assert heard, "it ended"
    assert heard == f"waiting for first (process {first.pid})\n"
    assert second.poll() is None
    first.kill()  # without a chance to clean up
    _, said = second.communicate(timeout=_PATIENCE_S)
    assert second.returncode == 0, said
    assert beside(tmp_path / "of_second") == [[], []]
