"""Segmentation networks in every runtime, compressed, timed in stages and exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.probes.latency.settings import LatencySetting
from tests.probes.compressed import run
from tests.probes.paths import require
from tests.probes.small_segmenters import BUILDERS, SCENES
from tests.probes.test_compression_detectors import cnnbench, of
from tests.probes.tiny import Tiny

NAME = "pixels.py:tiny"
TRAINING = f"""{{dataset: "{SCENES}", task: segmentation, epochs: 3, train_examples: 256,
               test_examples: 100, learning_rate: 0.01, batch_size: 16}}"""
SUITE = f"""
name: s
models: ["{NAME}"]
probes:
  compression:
    training: {TRAINING}
    variants: [ptq-int8, qat-int8]
    fine_tune_epochs: 1
    threads: [1]
    min_rounds: 1
    max_rounds: 1
  stages:
    training: {TRAINING}
    runtimes: [litert]
    threads: [1]
    pictures: 8
    min_rounds: 1
    max_rounds: 1
"""


@pytest.mark.slow
def test_a_network_is_compressed_timed_in_stages_and_exported(tmp_path: Path) -> None:
    (tmp_path / "pixels.py").write_text(BUILDERS)
    code, report, records = run(tmp_path, SUITE)
    assert code == 0, [one["reason"] for one in records if one["status"] != "ok"]

    made = {one["variant"]: one for one in of(records, "compression", part="convert")}
    quality = {variant: one["metrics"]["segmentation_miou"] for variant, one in made.items()}
    assert quality["float32"] > made["float32"]["details"]["chance"]
    assert quality["ptq-int8"] == pytest.approx(quality["float32"], abs=0.03)
    assert quality["qat-int8"] > 0
    assert made["float32"]["metrics"]["agreement"] > 0.999
    assert 0.9 < made["ptq-int8"]["metrics"]["agreement"] <= 1
    assert {"pixel_accuracy", "boundary_iou"} <= made["ptq-int8"]["metrics"].keys()
    assert "mIoU" in report.loc["ptq-int8", "compression_verdict"]

    (timed,) = of(records, "stages", part="time", repeat=0)
    assert timed["metrics"]["output_max_abs_diff"] < 1e-3
    assert timed["metrics"]["postprocess_p50_s"] > 0
    shown = cnnbench(tmp_path, "report", "results/s", "--section", "stages")
    assert "argmax" in shown.stdout and "JPEG → mask" in shown.stdout

    (file,) = tmp_path.glob("results/s/*/artifacts/*/trained/trained.weights.h5")
    name = f"{NAME}[classes=11]"
    given = ["--weights", str(file), "--variant", "float32", "--out", "m.tflite", "--json"]
    done = cnnbench(tmp_path, "export", name, *given)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["output_max_abs_diff"] < 1e-3


class Small(Tiny):
    """Any network with this input."""

    input_shape = (32, 32, 1)


def network() -> Any:
    names: dict[str, Any] = {}
    exec(BUILDERS, names)
    tf.keras.utils.set_random_seed(3)
    return names["tiny"]()


@pytest.mark.parametrize("runtime", ["litert", "graph", "onnxruntime", "openvino"])
def test_maps_of_scores_are_those_of_keras(runtime: str, tmp_path: Path) -> None:
    require(runtime)
    images = np.random.default_rng(4).uniform(size=(1, 32, 32, 1)).astype(np.float32)
    model = network()
    made = RUNTIMES[runtime].create(Small(), LatencySetting(runtime=runtime, threads=1), tmp_path)
    made.prepare(model)
    made.load()
    made.compile(images)
    found = made.outputs(made.call(made.feed(images)))
    made.close()
    expected = calibrated_model.keras_outputs(model, images)
    difference, scale = calibrated_model.difference(found, expected)
    assert found[0].shape == (1, 32, 32, 11)
    assert difference <= 1e-4 * scale
