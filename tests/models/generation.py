"""One Keras generation's account of some architectures: run as a program, in its own process.

``python -m tests.models.generation FOLDER NAME...`` writes to ``FOLDER/NAME-<generation>.npz`` the
number of parameters, the shape of every weight, and the logits for three images.

Kernels are drawn by a seed. Everything else that Keras 3 ends up with (the moving statistics are
set to what images make of them, so that no signal dies on its way) is left in ``NAME-vectors.npz``
and taken over by Keras 2 (``TF_USE_LEGACY_KERAS=1``), which therefore runs second.

It all happens in float64, so that a difference is one of the networks: random weights amplify the
rounding of float32, to 3e-5 in the deepest ResNets. Only local response normalisation has no
float64 in TensorFlow; the networks with one are not deep.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.models import registry
from cnnbench.probes import specimen

CLASSES = 10
SIZE = 64
# Without batch statistics the smallest size tells as much; at 64 the largest takes half an hour.
_SIZES = {"ConvNeXt": 32}
# Enough for statistics that no later image is far from.
_IMAGES = 8
_SINGLE = ("AlexNet", "ZF Net", "GoogLeNet")


def account(folder: Path, name: str, legacy: bool) -> None:
    """Build ``name`` and write what it is and what it answers."""
    import tensorflow as tf

    known = registry.resolve(name)
    size = _SIZES.get(known.entry.family, SIZE)
    size = max(known.min_size or 1, min(size, *known.input_shape[:2]))
    shape = f"{size}x{size}x{known.input_shape[-1]}"
    model = registry.resolve(
        f"{name}[input_shape={shape},classes={CLASSES},classifier_activation=none]"
    )
    tf.keras.backend.set_floatx("float32" if known.entry.family in _SINGLE else "float64")
    network = model.build()
    inputs = specimen.random_inputs(model, _IMAGES, seed=0)
    _give(network, _drawn(network.get_weights()))
    vectors = folder / f"{name}-vectors.npz"
    if legacy:
        _give(network, _taken_over(network.get_weights(), vectors))
    else:
        specimen.calibrate_batchnorms(network, inputs)
        _leave(network.get_weights(), vectors)
    outputs = np.asarray(network(inputs[:3], training=False))
    np.savez(
        folder / f"{name}-{'keras2' if legacy else 'keras3'}.npz",
        params=network.count_params(),
        shapes=np.array([str(tuple(weight.shape)) for weight in network.get_weights()]),
        outputs=outputs,
    )


def _give(network: Any, weights: list[np.ndarray]) -> None:
    """Set the weights; Keras 3's Normalization looks at its own only when it is told to."""
    import tensorflow as tf

    network.set_weights(weights)
    for layer in network.layers:
        if isinstance(layer, tf.keras.layers.Normalization) and layer.weights:
            layer.finalize_state()


def _drawn(weights: list[np.ndarray]) -> list[np.ndarray]:
    """Kernels with He's variance (arXiv:1502.01852, eq. 10); vectors near what they are."""
    rng = np.random.default_rng(1)
    drawn = []
    for weight in weights:
        noise = rng.standard_normal(weight.shape, np.float32)
        if weight.ndim > 1:
            drawn.append(noise * np.float32(np.sqrt(2 / max(1, np.prod(weight.shape[:-1])))))
        elif weight.dtype.kind == "f" and weight.ndim == 1:
            drawn.append(weight + np.abs(noise) * np.float32(0.1))
        else:
            drawn.append(weight)
    return drawn


def _leave(weights: list[np.ndarray], file: Path) -> None:
    np.savez(file, **{str(at): w for at, w in enumerate(weights) if w.ndim <= 1})  # type: ignore[arg-type]


def _taken_over(weights: list[np.ndarray], file: Path) -> list[np.ndarray]:
    with np.load(file) as vectors:
        return [vectors[str(at)] if w.ndim <= 1 else w for at, w in enumerate(weights)]


if __name__ == "__main__":
    for each in sys.argv[2:]:
        account(Path(sys.argv[1]), each, os.environ.get("TF_USE_LEGACY_KERAS") == "1")
