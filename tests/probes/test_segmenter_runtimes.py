"""Every head for segmentation in every runtime, against Keras: upsampling is where they differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.probes.latency.settings import LatencySetting
from tests.models.test_segmentation_heads import SMALL, segmenter
from tests.probes.paths import require
from tests.probes.tiny import Tiny

SIZE = (31, 45)  # px; needs cropped and mirrored edges


class Small(Tiny):
    """Any network with this input."""

    input_shape = (*SIZE, 1)


def trained_looking(head: str) -> Any:
    """Return a network whose batch normalisation has statistics."""
    network = segmenter(head, SIZE)
    images = np.random.default_rng(7).uniform(size=(8, *SIZE, 1)).astype(np.float32)
    network(images, training=True)
    return network


def check_logits(head: str, runtime: str, count: int, folder: Path) -> None:
    network = trained_looking(head)
    images = np.random.default_rng(4).uniform(size=(count, *SIZE, 1)).astype(np.float32)
    setting = LatencySetting(runtime=runtime, threads=1, batch_size=count)
    made = RUNTIMES[runtime].create(Small(), setting, folder)
    made.prepare(network)
    made.load()
    made.compile(images)
    (found,) = made.outputs(made.call(made.feed(images)))
    made.close()
    (expected,) = calibrated_model.keras_outputs(network, images)
    assert found.shape == expected.shape == (count, *SIZE, 3)
    assert np.abs(found - expected).max() <= 1e-4 * np.ptp(expected)


@pytest.mark.parametrize("head", ["fcn8s", "unet"])
def test_logits_of_a_litert_file_are_those_of_keras(head: str, tmp_path: Path) -> None:
    check_logits(head, "litert", 1, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["litert", "graph", "onnxruntime", "openvino"])
@pytest.mark.parametrize("head", SMALL)
def test_logits_of_every_runtime_are_those_of_keras(
    head: str, runtime: str, tmp_path: Path
) -> None:
    require(runtime)
    check_logits(head, runtime, 1, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["litert", "onnxruntime", "openvino"])
def test_a_batch_has_the_same_logits(runtime: str, tmp_path: Path) -> None:
    require(runtime)
    check_logits("fcn8s", runtime, 2, tmp_path)
