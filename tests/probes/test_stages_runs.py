"""The stages probe on the command line: each task, runtimes with copies apart."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cnnbench.probes.stages.settings import COPIES, STAGES
from cnnbench.tasks.task import TASKS

pytestmark = pytest.mark.slow

SUITE = """
name: stages
models: ["LeNet5"]
probes:
  stages: {training: {dataset: digits, epochs: 1, train_examples: 300}, runtimes: [litert, graph],
           pictures: 4, threads: [1], copies: true, min_rounds: 1, max_rounds: 1}
"""
EVERY_TASK = """
name: stages
models:
  - LeNet5
  - "BasicCNN[width=0.1]+box[classes=3,input_shape=32x32x1]"
  - "BasicCNN[width=0.1]+yolo[classes=3,input_shape=32x32x1]"
  - "BasicCNN[width=0.1,batch_norm=true]+fcn8s[classes=4,input_shape=32x32x1]"
  - "BasicCNN[width=0.1,batch_norm=true]+mask[grid=4,width=16,depth=0,proposals=12,roi=6,
    mask_width=8,mask_depth=1,input_shape=32x32x1,classes=3]"
probes:
  stages: {pictures: 4, threads: [1], min_rounds: 1, max_rounds: 1, image_sizes: [32, 40]}
"""


def run_of(suite: str, folder: Path) -> tuple[list[dict[str, Any]], str]:
    """Run a suite; return the records of its rounds, and what the command printed."""
    (folder / "s.yaml").write_text(suite)
    command = [sys.executable, "-m", "cnnbench", "run", "s.yaml", "--out", "out"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (journal,) = (folder / "out").glob("stages/*/records.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    return [one for one in lines if "network_p50_s" in one.get("metrics", {})], done.stdout


def test_a_classifier_end_to_end(tmp_path: Path) -> None:
    timed, shown = run_of(SUITE, tmp_path)
    assert len(timed) == 2
    for one in timed:
        found = one["metrics"]
        assert found["output_max_abs_diff"] < 1e-4
        parts = sum(found[f"{stage}_mean_s"] for stage in STAGES[:-1])
        copies = sum(found[f"{stage}_mean_s"] for stage in COPIES)
        # Means of the same calls: what is missing is a look at the clock.
        assert found["end_to_end_mean_s"] == pytest.approx(parts, rel=0.05)
        assert found["network_mean_s"] == pytest.approx(copies)
    assert "JPEG → classes" in shown


def test_every_task_has_stages(tmp_path: Path) -> None:
    timed, shown = run_of(EVERY_TASK, tmp_path)
    assert [one["input_shape"] for one in timed].count([40, 40, 1]) == 1
    assert len(timed) == 6, "one a task, and a classifier of another size"
    for task in TASKS.values():
        assert f"JPEG → {task.answer}" in shown
