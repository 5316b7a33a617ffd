"""Suites on a real ``sshd`` on loopback, with a user and a Python environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnbench.metrics import split
from cnnbench.results import journal, tables
from tests.execution import loopback
from tests.execution.loopback import Board
from tests.processes import HANGS_AFTER_S

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(loopback.missing()), reason=loopback.missing()),
]

SUITE = """
name: board
models: [LeNet5]
probes:
  static: {batch_sizes: [1]}
  memory: {batch_sizes: [1]}
  latency: {runtimes: [litert, graph], min_rounds: 2, max_rounds: 2}
  compression:
    {training: {dataset: digits, image_size: 28, epochs: 1}, variants: [ptq-int8],
     min_rounds: 1, max_rounds: 1}
"""


@pytest.fixture(scope="module")
def board() -> Iterator[Board]:
    with loopback.running() as found:
        yield found


@pytest.fixture(scope="module")
def workplace(board: Board, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a folder with a run on the device, and one here."""
    folder = tmp_path_factory.mktemp("board")
    (folder / "board.yaml").write_text(SUITE)
    done = cnnbench(board, folder, "run", "board.yaml", "--on", board.address, "--out", "there")
    assert done.returncode == 0, done.stderr
    here = cnnbench(board, folder, "run", "board.yaml", "--probe", "latency", "--out", "here")
    assert here.returncode == 0, here.stderr
    return folder


def cnnbench(board: Board, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cnnbench", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=HANGS_AFTER_S,
        env={**os.environ, "PATH": board.path, "CUDA_VISIBLE_DEVICES": "-1"},
    )  # fmt: skip


def test_doctor_shows_what_is_there(board: Board, tmp_path: Path) -> None:
    done = cnnbench(board, tmp_path, "doctor", "--on", board.address)
    assert done.returncode == 0, done.stderr
    assert f"Machine of {board.address}\n  CPU:" in done.stdout
    assert "tensorflow" not in done.stdout
    assert "onnxruntime:                   not installed: pip install onnxruntime" in done.stdout


def test_a_device_that_does_not_know_the_key_is_one_clear_line(
    board: Board, tmp_path: Path
) -> None:
    (tmp_path / "board.yaml").write_text(SUITE)
    address = board.address.replace(board.user, "root")
    done = cnnbench(board, tmp_path, "run", "board.yaml", "--on", address)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be reached: root@127.0.0.1: Permission denied" in done.stderr


def test_what_is_measured_there_has_the_environment_of_the_device(workplace: Path) -> None:
    run = next((workplace / "there" / "board").iterdir())
    header, records = journal.read(run / journal.FILE_NAME)
    found = {}
    for one in records:
        kind = one.setting.get("part") or one.setting.get("runtime") or ""
        is_there = one.environment == header.environment
        found[one.probe, one.variant, kind, one.repeat] = one.status, is_there
    made, measured, missing = ("ok", False), ("ok", True), ("skipped", True)
    assert found == {
        ("static", "float32", "", 0): made,
        ("memory", "float32", "", 0): missing,
        ("latency", "float32", "litert", "prepare"): made,
        ("latency", "float32", "litert", 0): measured,
        ("latency", "float32", "litert", 1): measured,
        ("latency", "float32", "graph", "prepare"): missing,
        ("compression", "float32", "train", 0): made,
        **{
            ("compression", variant, part, 0): measured
            for variant in ("float32", "ptq-int8")
            for part in ("convert", "memory", "latency")
        },
    }
    rows = {one.name: one for one in tables.load(run).measured}
    row, compressed = rows["LeNet5 (32x32x1)"], rows["LeNet5 ptq-int8"]
    assert (row.read("latency_p50_s@cpu/litert/b1").value or 0) > 0
    assert (row.read("output_max_abs_diff@cpu/litert/b1").value or 1) < 1e-3
    assert (row.read("memory_infer_peak_bytes@cpu/litert/b1").value or 0) > 10_000
    accuracies = [name for name in compressed.values if name.startswith("top1@")]
    assert accuracies and accuracies[0].endswith("/litert")
    libraries = tables.load(run).environment["fingerprint"]["libraries"]
    assert set(libraries) <= {"numpy", "ai-edge-litert"}


def test_nothing_is_left_there(board: Board, workplace: Path) -> None:
    assert board.files() == []
    assert board.processes() == []


def test_a_complete_run_is_not_repeated(board: Board, workplace: Path) -> None:
    """What was skipped is looked at again, in the hope of a device that can do more."""
    (run,) = (workplace / "there/board").iterdir()
    before = [record for record in tables.load(run).raw if record.status == "ok"]
    again = cnnbench(board, workplace, "run", "board.yaml", "--on", board.address, "--out", "there")
    assert again.returncode == 0, again.stderr
    assert f"{len(before)} jobs done" in again.stderr
    assert [record for record in tables.load(run).raw if record.status == "ok"] == before


def test_both_machines_are_in_one_table_by_name(board: Board, workplace: Path) -> None:
    runs = ["there/board", "here/board"]
    done = cnnbench(board, workplace, "merge", *runs, "--out", "both")
    assert done.returncode == 0, done.stderr
    found = tables.load(workplace / "both").measured
    names = {
        split(name)[1]
        for name in found.numbers
        if split(name)[0] == "latency_p50_s" and found.has_value(name)
    }
    litert = sorted(name for name in names if name.startswith("cpu/litert/b1/on="))
    assert len(litert) == 2 and "cpu/litert/b1/on=127.0.0.1" in litert
    shown = cnnbench(board, workplace, "report", "both")
    assert "on=127.0.0.1" in shown.stdout


def test_a_dropped_connection_is_survived(board: Board, tmp_path: Path) -> None:
    (tmp_path / "board.yaml").write_text(SUITE)
    dropped: list[int] = []
    is_over = threading.Event()

    def drop() -> None:
        """Kill the first session in which something works."""
        while not is_over.is_set() and not dropped:
            if any("cnnbench-" in file for file in board.files()) and board.drop_connections():
                dropped.append(1)
            time.sleep(0.05)

    thread = threading.Thread(target=drop)
    thread.start()
    try:
        done = cnnbench(
            board, tmp_path, "run", "board.yaml", "--probe", "latency", "--on", board.address
        )
    finally:
        is_over.set()
        thread.join()
    assert done.returncode == 0, done.stderr
    assert dropped
    (folder,) = (tmp_path / "results" / "board").iterdir()
    records = journal.read(folder / journal.FILE_NAME)[1]
    litert = [record.status for record in records if record.setting["runtime"] == "litert"]
    assert litert == ["ok"] * 3
    until = time.monotonic() + HANGS_AFTER_S
    while board.files() and time.monotonic() < until:
        time.sleep(0.1)
    assert board.files() == [] and board.processes() == []
