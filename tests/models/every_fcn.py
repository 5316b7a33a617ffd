"""Architectures of the catalogue made fully convolutional."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnbench.models import registry
from cnnbench.models.fcn import Classifier, to_fcn
from cnnbench.probes.latency import calibrated_model

CLASSES = 7


@dataclass(frozen=True)
class Compared:
    """A classifier and its fully convolutional network: outputs, parameters, places.

    Attributes:
        difference: the largest at the classifier's own size.
        spread: the largest difference between the outputs for two images.
        params: of the classifier and of the other.
        places: of the outputs on an image that is larger by two strides down and one to the right.
    """

    difference: float
    spread: float
    params: tuple[int, int]
    places: tuple[int, ...]


def compare(name: str) -> Compared:
    """Compare at 64 px, or twice the smallest size, with random weights.

    They are damped until a change of the input by 1e-6 changes no output by 1e-4: deep networks
    with random weights can be chaotic, and then no two computations of one agree. Their last kernel
    is scaled so that no class is certain.
    """
    size = max(2 * (registry.resolve(name).min_size or 0), 64)
    channels = registry.resolve(name).input_shape[-1]
    model = registry.resolve(f"{name}[input_shape={size}x{size}x{channels},classes={CLASSES}]")
    network = calibrated_model.build(model)
    images = calibrated_model.random_inputs(model, 3, seed=5)
    for _ in range(30):
        outputs, changed = (
            np.asarray(network(x, training=False)) for x in (images, nudged(images))
        )
        if np.abs(outputs - changed).max() < 1e-4:
            break
        _damp(network, 0.93)
    for _ in range(8):
        expected = np.asarray(network(images, training=False))
        if expected.max() < 0.9:
            break
        _divide_last_kernel(network, 4)
    fcn = to_fcn(network)
    found = np.asarray(fcn(images, training=False))
    assert found.shape == (3, 1, 1, CLASSES), found.shape
    down, right = Classifier.read(network).stride()
    larger = np.zeros((1, size + 2 * down, size + right, channels), np.float32)
    return Compared(
        float(np.abs(found[:, 0, 0] - expected).max()),
        float(np.ptp(expected, axis=0).max()),
        (network.count_params(), fcn.count_params()),
        tuple(fcn(larger, training=False).shape[1:3]),
    )


def nudged(images: np.ndarray) -> np.ndarray:
    return images * np.float32(1 + 1e-6)


def _damp(network: Any, by: float) -> None:
    for layer in network._flatten_layers():
        if type(layer).__name__ == "BatchNormalization" and layer.gamma is not None:
            layer.gamma.assign(np.asarray(layer.gamma) * by)


def _divide_last_kernel(network: Any, by: float) -> None:
    kernel = [weight for weight in network.weights if len(weight.shape) > 1][-1]
    kernel.assign(np.asarray(kernel) / by)
