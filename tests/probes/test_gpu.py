"""A real GPU, where there is one: the command line measures on it what it measures on the CPU."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from cnnbench import environment
from tests.processes import HANGS_AFTER_S

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(environment.fingerprint()["gpu"] is None, reason="no GPU here"),
]
_SUITE = """
name: gpu
models: [LeNet5]
probes:
  latency: {runtimes: [predict, eager, graph, xla], devices: [gpu], max_rounds: 2, min_rounds: 2}
  memory: {devices: [gpu], modes: [infer, train], batch_sizes: [32]}
"""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("gpu")
    (folder / "gpu.yaml").write_text(_SUITE)
    done = subprocess.run(
        [sys.executable, "-m", "cnnbench", "run", "gpu.yaml"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (journal,) = folder.glob("results/gpu/*/records.jsonl")
    return [json.loads(line) for line in journal.read_text().splitlines()[1:]]


def test_every_job_is_done(records: list[dict[str, Any]]) -> None:
    assert len(records) == 4 * 3 + 2
    assert [r["reason"] for r in records if r["status"] != "ok"] == []


def test_every_call_path_computes_what_keras_computes_in_float32(
    records: list[dict[str, Any]],
) -> None:
    rounds = [r for r in records if "latency_location_s" in r["metrics"]]
    assert len(rounds) == 4 * 2
    for record in rounds:
        flags = record["details"]["flags"]
        assert not [flag for flag in flags if "disagrees" in flag], record["setting"]
        assert record["details"]["arithmetic"] == "tensorfloat32"


def test_training_needs_more_of_the_card_than_inference(records: list[dict[str, Any]]) -> None:
    peaks = {
        mode: record["metrics"][f"memory_{mode}_peak_bytes"]
        for mode in ("infer", "train")
        for record in records
        if f"memory_{mode}_peak_bytes" in record["metrics"]
    }
    assert 0 < peaks["infer"] < peaks["train"]
