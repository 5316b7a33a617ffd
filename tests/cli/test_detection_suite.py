"""Suites with detectors, as processes: planned, run, reported, chosen, kept and shown."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.probes.small_detectors import NAME, SCENES
from tests.probes.small_locators import BUILDERS

SUITE = f"""
name: detect
models:
  - "small_nets.py:trunk+box"
  - "small_nets.py:{NAME}"
  - "small_nets.py:trunk+windows[finest=4,width=16,scales=1]"
probes:
  accuracy:
    dataset: "{SCENES}"
    image_size: 32
    train_examples: 800
    test_examples: 200
    validation: 0.01
    early_stop: 4
    epochs: 8
    batch_size: 32
    learning_rate: 0.01
    augment: {{flip: horizontal}}
    keep_weights: true
    seeds: 2
limits: {{timeout: 30min, memory: 4GiB}}
"""


def cnnbench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cnnbench", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def planned(folder: Path, models: str, entry: str) -> str:
    """Return what planning a suite says that is wrong with it."""
    (folder / "s.yaml").write_text(
        f"name: s\nmodels: [{models}]\nprobes:\n  accuracy:\n    - {{{entry}}}\n"
    )
    done = cnnbench(folder, "run", "s.yaml", "--dry-run")
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def test_images_without_boxes_are_refused_when_planning(tmp_path: Path) -> None:
    said = planned(tmp_path, "BasicCNN+yolo", "dataset: digits")
    assert "BasicCNN+yolo is for detection, which needs boxes; digits has one class" in said


@pytest.mark.slow
def test_a_mistake_in_an_option_is_named_when_planning(tmp_path: Path) -> None:
    entry = 'dataset: "scenes[px=32]", nms_iou: 1.5'
    assert "nms_iou" in planned(tmp_path, "BasicCNN+yolo", entry)
    entry = 'dataset: "scenes[px=32]", no_object_weight: 1'
    said = planned(tmp_path, "BasicCNN+box", entry)
    assert "no_object_weight is an option of detection" in said
    entry = 'dataset: "scenes[px=32]", early_stop: 3'
    said = planned(tmp_path, "BasicCNN+yolo", entry)
    assert "early_stop needs validation images: set validation: 0.1" in said


@pytest.mark.slow
def test_detectors_of_a_suite_end_to_end(tmp_path: Path) -> None:
    (tmp_path / "small_nets.py").write_text(BUILDERS)
    (tmp_path / "suite.yaml").write_text(SUITE)
    done = cnnbench(tmp_path, "run", "suite.yaml", "--out", "results")
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = (tmp_path / "results").glob("detect/*")
    lines = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()[1:]]
    found: list[dict[str, Any]] = [one for one in lines if one.get("probe") == "accuracy"]
    tasks = [one["setting"].get("task") for one in found]
    assert sorted(tasks) == ["detection"] * 4 + ["localization"] * 2
    for one in found:
        if one["setting"]["task"] == "detection":
            chances = one["details"]["chances"]
            assert one["metrics"]["box_map50"] > chances["box_map50"], one["model"]
            assert all("val_box_map" in point for point in one["details"]["curve"])
    with (run / "report.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    (column,) = [name for name in rows[0] if name.startswith("box_map@")]
    assert "/task=detection/" in column
    assert [bool(row[column]) for row in rows] == [False, True, True]

    chosen = cnnbench(tmp_path, "choose", str(run), "--maximize", "box_map", "--json")
    assert chosen.returncode == 0, chosen.stderr
    names = {one["model"] for one in json.loads(chosen.stdout)["candidates"]}
    assert any("+yolo" in name for name in names)
    shown = cnnbench(tmp_path, "report", str(run))
    assert shown.returncode == 0, shown.stderr
    assert "AP50" in shown.stdout

    files = sorted(run.glob("artifacts/*/*/seed-1.keras"))
    assert len(files) == 3
    kept = next(file for file in files if b'"task": "detection"' in file.read_bytes())
    picture = tmp_path / "grey.png"
    Image.fromarray(np.full((50, 80), 60, np.uint8)).save(picture)
    seen = cnnbench(tmp_path, "predict", str(kept), str(picture), "--draw", "drawn.png", "--json")
    assert seen.returncode == 0, seen.stderr
    (answer,) = json.loads(seen.stdout)
    assert len(answer["objects"]) <= 3
    assert (tmp_path / "drawn.png").is_file()
