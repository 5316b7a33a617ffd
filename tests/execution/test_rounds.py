"""Interrupted and time-limited rounds, tested through the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cnnbench.record import PREPARE
from tests.processes import HANGS_AFTER_S, wait_until

pytestmark = pytest.mark.slow

SUITE = """
name: rounds
models: [LeNet5, BasicCNN]
probes:
  latency: {runtimes: [litert], min_rounds: 5, max_rounds: 5}
limits: {timeout: 30min, memory: 4GiB%s}
"""


def _start(folder: Path, limits: str = "") -> subprocess.Popen[str]:
    (folder / "rounds.yaml").write_text(SUITE % limits)
    return subprocess.Popen(
        [sys.executable, "-m", "cnnbench", "run", "rounds.yaml"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _records(folder: Path) -> list[dict[str, Any]]:
    (journal,) = folder.glob("results/rounds/*/records.jsonl")
    lines = [line for line in journal.read_text().splitlines() if line.endswith("}")]
    return [json.loads(line) for line in lines[1:]]


def _has_round(folder: Path, repeat: int) -> bool:
    return any(folder.glob("results/rounds/*/records.jsonl")) and any(
        record["repeat"] == repeat for record in _records(folder)
    )


def test_resumes_in_the_interrupted_round(tmp_path: Path) -> None:
    first = _start(tmp_path)
    assert wait_until(lambda: _has_round(tmp_path, 2))
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=HANGS_AFTER_S)
    assert first.returncode == 130
    assert "cnnbench run rounds.yaml" in said
    before = _records(tmp_path)
    assert max(r["repeat"] for r in before if r["repeat"] != PREPARE) < 4

    second = _start(tmp_path)
    table, _ = second.communicate(timeout=HANGS_AFTER_S)
    assert second.returncode == 0
    after = _records(tmp_path)
    assert after[: len(before)] == before
    done = Counter((r["model"], r["repeat"]) for r in after if r["status"] == "ok")
    repeats = [PREPARE, 0, 1, 2, 3, 4]
    assert done == {(model, n): 1 for model in ("LeNet5", "BasicCNN") for n in repeats}
    # The rest continues in rounds: no round begins before the earlier ones.
    new = [r["repeat"] for r in after[len(before) :]]
    assert PREPARE not in new and new == sorted(new)
    assert "5 of at least 6 processes" in table


def test_the_table_says_that_a_cell_reached_its_time_limit(tmp_path: Path) -> None:
    run = _start(tmp_path, ", cell: 1ms")
    table, _ = run.communicate(timeout=HANGS_AFTER_S)
    assert run.returncode == 0
    rounds = Counter(r["model"] for r in _records(tmp_path) if r["repeat"] != PREPARE)
    assert rounds == {"LeNet5": 1, "BasicCNN": 1}
    assert "1 of at least 6 processes" in table
    shown = 2 * 2  # both networks, location and p50
    assert table.replace("\n", " ").count("stopped at the limit of 1 ms per cell") == shown
