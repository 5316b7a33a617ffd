"""Detectors through the compression and stages probes, and exported with NMS, as processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.probes.compressed import NETWORKS, run

DATA = "scenes[objects=1-3,px=32,sides=10-22]"
NAME = "nets:headed+yolo[grid=4,width=16,depth=0,input_shape=32x32x1,classes=10]"
TRAINING = f"""{{dataset: "{DATA}", epochs: 8, train_examples: 1500, test_examples: 200,
               learning_rate: 0.01, batch_size: 32}}"""
SUITE = f"""
name: s
models: ["{NAME}"]
probes:
  latency: {{runtimes: [litert], nms: [false, true], threads: [1], min_rounds: 1, max_rounds: 1}}
  compression:
    training: {TRAINING}
    variants: [ptq-int8]
    threads: [1]
    min_rounds: 1
    max_rounds: 1
  stages:
    training: {TRAINING}
    runtimes: [litert]
    nms: [false, true]
    threads: [1]
    pictures: 8
    min_rounds: 1
    max_rounds: 1
"""


def of(
    records: list[dict[str, Any]], probe: str, repeat: int | None = None, **setting: Any
) -> list[dict[str, Any]]:
    return [
        one
        for one in records
        if one["probe"] == probe and setting.items() <= one["setting"].items()
        if repeat in (None, one["repeat"])
    ]


@pytest.mark.slow
def test_a_detector_is_compressed_timed_in_stages_and_exported(tmp_path: Path) -> None:
    code, report, records = run(tmp_path, SUITE)
    assert code == 0, [one["reason"] for one in records if one["status"] != "ok"]

    made = {one["variant"]: one for one in of(records, "compression", part="convert")}
    quality = {variant: one["metrics"]["box_map50"] for variant, one in made.items()}
    assert quality["float32"] > 0.02
    assert quality["ptq-int8"] == pytest.approx(quality["float32"], abs=0.05)
    assert made["float32"]["metrics"].get("agreement", 1.0) > 0.99
    assert 0 <= made["ptq-int8"]["metrics"].get("agreement", 0.0) <= 1
    assert made["float32"]["details"]["flags"] == []
    (column,) = (n for n in report.columns if n.startswith("box_map@") and "litert" in n)
    assert report[column].notna().all()
    assert "AP" in report.loc["ptq-int8", "compression_verdict"]

    # The stages use the network that the compression probe trained.
    (weights,) = of(records, "stages", part="weights")
    assert weights["metrics"] == {} and weights["details"]["weights"] == "trained here"
    timed, whole = (
        of(records, "stages", part="time", nms=nms, repeat=0)[0] for nms in (False, True)
    )
    assert timed["metrics"]["output_max_abs_diff"] < 1e-3
    assert whole["metrics"]["output_max_abs_diff"] < 1e-3
    assert not any("untrained" in flag for flag in timed["details"]["postprocess"]["flags"])
    assert {"finished_p50_s", "end_to_end_p50_s"} <= whole["metrics"].keys()

    plain, inside = (
        [one for one in of(records, "latency") if one["setting"].get("nms", False) is nms][-1]
        for nms in (False, True)
    )
    assert inside["metrics"]["output_max_abs_diff"] < 1e-3
    assert any("untrained weights" in flag for flag in inside["details"]["flags"])
    assert not any("untrained" in flag for flag in plain["details"]["flags"])

    shown = cnnbench(tmp_path, "report", "results/s", "--section", "stages")
    assert "decode + NMS" in shown.stdout and "JPEG → boxes" in shown.stdout

    (file,) = tmp_path.glob("results/s/*/artifacts/*/trained/trained.weights.h5")
    given = ["--weights", str(file), "--nms", "--out", "m.tflite", "--json"]
    done = cnnbench(tmp_path, "export", NAME, *given)
    assert done.returncode == 0, done.stderr
    card = json.loads(done.stdout)
    assert card["nms"] is True and card["metrics"]["output_max_abs_diff"] < 1e-3
    assert card["metrics"]["box_map50"] == pytest.approx(quality["float32"], abs=1e-3)
    assert answers_of(tmp_path / "m.tflite") == {(1, 100, 4), (1, 100)}


def cnnbench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cnnbench", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def answers_of(file: Path) -> set[tuple[int, ...]]:
    """Return the shapes of the outputs of a LiteRT file, run by LiteRT alone."""
    from cnnbench.models.litert.interpreter import LiteRTFile

    opened = LiteRTFile(file, 1)
    opened.load()
    opened.compile()
    return {one.shape for one in opened.call(np.zeros((1, 32, 32, 1), np.float32))}


@pytest.mark.slow
def test_export_says_what_nms_needs(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETWORKS)
    (tmp_path / "a.weights.h5").touch()
    given = ["--weights", "a.weights.h5", "--nms", "--out", "m.tflite"]
    done = cnnbench(tmp_path, "export", "BasicCNN", *given)
    assert done.returncode == 2
    assert done.stderr.strip().startswith("cnnbench: --nms: BasicCNN is for classification")
    done = cnnbench(tmp_path, "export", NAME, *given, "--variant", "ptq-int8")
    assert done.returncode == 2
    assert "would quantise boxes and scores too" in done.stderr
    done = cnnbench(tmp_path, "export", NAME, "--nms", "--out", "m.tflite")
    assert done.returncode == 2
    assert "comes without trained weights" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
