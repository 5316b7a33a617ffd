"""Every head in every runtime with NMS inside the file, against Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.tasks.detection import DETECTION, DetectionOptions
from tests.models.test_detection_heads import SMALL, detector
from tests.probes.paths import require
from tests.probes.test_detector_files import lively
from tests.probes.tiny import Tiny

SHAPE = (32, 32, 1)
OPTIONS = DetectionOptions(score_threshold=0.01, max_detections=20)


class Small(Tiny):
    """Any network with this input."""

    input_shape = SHAPE


def answered(
    network: Any, runtime: str, count: int, folder: Path
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the outputs of a runtime, and Keras', in one order."""
    images = np.random.default_rng(4).uniform(size=(count, *SHAPE)).astype(np.float32)
    setting = LatencySetting(runtime=runtime, threads=1, batch_size=count)
    made = RUNTIMES[runtime].create(Small(), setting, folder)
    made.prepare(network)
    made.load()
    made.compile(images)
    found = made.outputs(made.call(made.feed(images)))
    made.close()
    return found, calibrated_model.keras_outputs(network, images)


def trained_looking(head: str) -> Any:
    network = detector(head)
    lively(network)
    images = np.random.default_rng(7).uniform(size=(8, *SHAPE)).astype(np.float32)
    network(images, training=True)  # the statistics of batch normalisation are no longer 0 and 1
    return network


def check_answers(head: str, runtime: str, count: int, folder: Path) -> None:
    whole = DETECTION.finished(trained_looking(head), OPTIONS)
    found, expected = answered(whole, runtime, count, folder)
    assert [one.shape for one in expected] == [(count, 20, 4), (count, 20), (count, 20)]
    assert (expected[1] >= 0).any()
    apart, scale = DETECTION.finished_difference(found, expected)
    assert apart <= 1e-4 * scale


@pytest.mark.slow
@pytest.mark.parametrize("head", ["yolo", "ssdlite"])
def test_answers_of_a_litert_file_are_those_of_keras(head: str, tmp_path: Path) -> None:
    check_answers(head, "litert", 1, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["litert", "graph", "onnxruntime", "openvino"])
@pytest.mark.parametrize("head", SMALL)
def test_answers_with_nms_inside_are_those_of_keras(
    head: str, runtime: str, tmp_path: Path
) -> None:
    require(runtime)
    check_answers(head, runtime, 1, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["litert", "onnxruntime", "openvino"])
def test_a_batch_has_nms_inside_too(runtime: str, tmp_path: Path) -> None:
    require(runtime)
    check_answers("yolo", runtime, 2, tmp_path)
