"""Detectors as LiteRT files: raw outputs, by name, as Keras gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from cnnbench.models import registry
from cnnbench.probes.compression import conversion, outputs
from cnnbench.probes.compression.variants import parse
from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.probes.latency.settings import LatencySetting
from tests.models.test_detection_heads import SMALL, detector
from tests.probes.paths import require


def lively(network: Any) -> None:
    """Replace kernels: at first a head's last are near zero, and its outputs their biases."""
    generator = np.random.default_rng(6)
    for weight in network.trainable_weights:
        if len(weight.shape) == 4:
            scale = (2 / np.prod(weight.shape[:3])) ** 0.5
            weight.assign(generator.normal(scale=scale, size=weight.shape).astype(np.float32))


@pytest.mark.parametrize("head", SMALL)
@pytest.mark.parametrize(("variant", "most"), [("float32", 1e-4), ("ptq-int8", 0.2)])
def test_a_file_gives_what_keras_gives(
    head: str, variant: str, most: float, tmp_path: Path
) -> None:
    """``most`` is the largest difference, relative to the range of an output."""
    network = detector(head)
    images = np.random.default_rng(4).uniform(size=(8, 32, 32, 1)).astype(np.float32)
    lively(network)
    network(images, training=True)  # the statistics of batch normalisation are no longer 0 and 1
    file = tmp_path / "net.tflite"
    file.write_bytes(
        conversion.convert(
            network, (1, 32, 32, 1), parse(variant), lambda: ([one[None]] for one in images)
        )
    )
    found = outputs.structured(network, conversion.File(file)(images))
    expected = network(images, training=False)
    pairs = (
        [(expected[name], found[name]) for name in ("boxes", "classes")]
        if isinstance(expected, dict)
        else [(expected, found)]
    )
    for one, other in pairs:
        values = np.asarray(one)
        assert other.shape == values.shape
        assert np.abs(other - values).max() <= most * np.ptp(values)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["litert", "onnxruntime", "openvino"])
@pytest.mark.parametrize("head", SMALL)
def test_every_runtime_gives_what_keras_gives(head: str, runtime: str, tmp_path: Path) -> None:
    """At sizes that are no powers of two, where maps of levels do not fit one another."""
    require(runtime)
    name = f"BasicCNN[width=0.1,batch_norm=true]+{head}[classes=3,input_shape=108x76x1]"
    model = registry.resolve(name)
    network = calibrated_model.build(model)
    images = calibrated_model.random_inputs(model, 1, seed=2)
    runner = RUNTIMES[runtime].create(model, LatencySetting(runtime=runtime, threads=1), tmp_path)
    runner.prepare(network)
    runner.start()
    runner.load()
    runner.compile(images)
    found = runner.outputs(runner.call(runner.feed(images)))
    for one, other in zip(tf.nest.flatten(network(images)), found, strict=True):
        assert np.abs(np.asarray(one) - other).max() <= 1e-4 * np.ptp(one)
