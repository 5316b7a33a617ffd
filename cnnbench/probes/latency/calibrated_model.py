"""A model with non-degenerate outputs, inputs for it, and Keras' reference outputs.

Deep models with fresh random weights give nearly the same output for every input, and then any two
runtimes agree. Weights whose outputs vary already (trained ones) are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from cnnbench.errors import JobFailed, Unavailable
from cnnbench.files import replace_arrays
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy.training import network
from cnnbench.probes.latency.runtimes.base import TOLERANCES

_SEED = 0
# The outputs of two random images must differ by this share of the largest output.
_VARIED = 0.01
FILE = "expected.npz"
# Inputs rotate in memory: enough of them to defeat a cache, few enough to hold.
_INPUT_BYTES, _MOST_INPUTS = 64 * 2**20, 4
_COARSE = 4  # squares a side of the pattern in a random image
# Input of one call to Keras: eight images of 224 px. Its eager call keeps every activation until it
# ends: 4 GB for one image of EfficientNetB7.
_CHUNK_BYTES = 8 * 224 * 224 * 3 * 4
_CALIBRATION = 4  # images that BatchNormalization's statistics are set from


@dataclass(frozen=True)
class Expected:
    """Inputs, ``(batch, ...)`` float32 each, and Keras' outputs for the first of them."""

    inputs: list[np.ndarray]
    outputs: list[np.ndarray]


def build(model: ModelHandle, shared: Path | None = None) -> Any:
    """Build ``model`` with seeded weights, scaled so that none of its outputs is constant.

    Where no weights make all of several outputs vary (anchors are the same for every image), it is
    enough that one does; so it is for weights that the model comes with.

    Args:
        model: model to build.
        shared: a folder in which scaled weights are saved for the model's other cells.

    Raises:
        JobFailed: the outputs are constant or not finite, whatever the weights.
    """
    import tensorflow as tf

    tf.keras.utils.set_random_seed(_SEED)
    keras_model = model.build()
    file = shared and shared / f"weights-{sha256(model.label.encode()).hexdigest()[:16]}.npz"
    # Checked on other images than those that set the statistics, so that saturation is noticed.
    calibration = random_inputs(model, _CALIBRATION, seed=1)
    held_out = random_inputs(model, 2, seed=2)
    # Models without BatchNormalization get wider kernels, and where these drive a softmax to one
    # class for every image, smaller last kernels.
    scaling = (calibrate_batchnorms, _wider_kernels, *[_smaller_last_kernels] * 3)
    is_made = file is not None and _load_weights(keras_model, file)
    found = variations(keras_model, held_out)
    if min(found) > _VARIED or (max(found) > _VARIED and (is_made or model.is_trained)):
        return keras_model
    partly = keras_model.get_weights() if max(found) > _VARIED else None
    for scale in scaling:
        scale(keras_model, calibration)
        found = variations(keras_model, held_out)
        if min(found) > _VARIED:
            break
        if max(found) > _VARIED and partly is None:
            partly = keras_model.get_weights()
    else:
        if partly is None:
            raise JobFailed(
                "the outputs are the same for every input, or not finite: runtimes cannot be "
                "compared"
            )
        keras_model.set_weights(partly)
    if file is not None:
        _save_weights(keras_model, file)
    return keras_model


def is_large(model: ModelHandle) -> bool:
    """Return whether its images are so large (317 px and more) that activations fill the memory."""
    return _CALIBRATION * 4 * int(np.prod(model.input_shape)) > _CHUNK_BYTES


def in_precision(model: ModelHandle, keras_model: Any, dtype: str) -> Any:
    """Return a Keras model with the weights of ``keras_model`` that computes in ``dtype``.

    Raises:
        Unavailable: its layers fix their precision, as those of a ``.keras`` file do.
    """
    if dtype == "float32":
        return keras_model
    other = with_policy(model.build, dtype)
    if not any(layer.compute_dtype == dtype for layer in network.all_layers(other)):
        raise Unavailable(f"{model.label} fixes the precision of its layers; measure a builder")
    other.set_weights(keras_model.get_weights())
    return other


def with_policy(build: Callable[[], Any], dtype: str) -> Any:
    """Build under Keras' mixed precision: computes in ``dtype``, variables stay float32."""
    import tensorflow as tf

    if dtype == "float32":
        return build()
    tf.keras.mixed_precision.set_global_policy(f"mixed_{dtype}")
    try:
        return build()
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")


def random_inputs(model: ModelHandle, batch_size: int, seed: int) -> np.ndarray:
    """Return a batch of random images in 0..255, preprocessed for the model: float32.

    Each is half noise and half a coarse random pattern: noise alone averages out in deep models,
    to which every image would look the same.
    """
    height, width, channels = model.input_shape
    rng = np.random.default_rng(seed)
    rows, columns = (np.arange(size) * _COARSE // size for size in (height, width))
    pattern = rng.random((batch_size, _COARSE, _COARSE, channels), dtype=np.float32)
    noise = rng.random((batch_size, height, width, channels), dtype=np.float32)
    images = 127.5 * (pattern[:, rows][:, :, columns] + noise)
    return np.ascontiguousarray(model.preprocess(images), dtype=np.float32)


def variations(keras_model: Any, images: np.ndarray) -> list[float]:
    """Return the largest difference between two images over the largest value, of each output.

    All are 0 if an output is not finite.
    """
    outputs = [np.asarray(o, np.float64) for o in keras_outputs(keras_model, images)]
    if not all(np.isfinite(output).all() for output in outputs):
        return [0.0]
    return [float(np.ptp(output, axis=0).max() / (np.abs(output).max() or 1)) for output in outputs]


def keras_outputs(keras_model: Any, images: np.ndarray) -> list[np.ndarray]:
    """Return the outputs of the plain Keras call for ``images``, computed in chunks."""
    import tensorflow as tf

    size = max(1, _CHUNK_BYTES // images[0].nbytes)

    def of_chunk(start: int) -> list[np.ndarray]:
        outputs = keras_model(images[start : start + size], training=False)
        return [np.asarray(output) for output in tf.nest.flatten(outputs)]

    chunks = map(of_chunk, range(0, len(images), size))
    return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]


def difference(
    outputs: Sequence[np.ndarray], expected: Sequence[np.ndarray]
) -> tuple[float, float]:
    """Return the largest absolute difference, and the largest absolute value expected.

    Of several outputs, both are of the output with the largest difference relative to its scale.
    The difference is NaN if any is, and infinite if the shapes differ.
    """
    scales = [float(np.abs(array).max()) for array in expected]
    if [array.shape for array in outputs] != [array.shape for array in expected]:
        return float("inf"), max(scales)
    scales = [scale or max(scales) for scale in scales]  # an output of zeros has none
    pairs = zip(outputs, expected, strict=True)
    found = [float(np.abs(o.astype(np.float64) - e).max()) for o, e in pairs]
    # argmax takes NaN for the largest.
    worst = int(np.argmax([d / (scale or 1) for d, scale in zip(found, scales, strict=True)]))
    return found[worst], scales[worst]


def disagreement(
    difference: float, scale: float, tolerance: float = TOLERANCES["float32"]
) -> list[str]:
    """Return a flag if ``difference`` exceeds ``tolerance`` relative to ``scale``, or is NaN."""
    if difference <= tolerance * scale:  # not the other way round: NaN must disagree
        return []
    return [f"output disagrees with Keras by {difference:.2g} (largest output {scale:.2g})"]


def write_expected(model: ModelHandle, keras_model: Any, batch_size: int, folder: Path) -> None:
    """Write the rotating inputs, and Keras' outputs for the first of them, into ``folder``."""
    one = random_inputs(model, batch_size, seed=2)
    count = max(2, min(_MOST_INPUTS, _INPUT_BYTES // one.nbytes))
    inputs = [one, *(random_inputs(model, batch_size, seed) for seed in range(3, 2 + count))]
    write_outputs(keras_model, inputs, folder)


def write_outputs(keras_model: Any, inputs: Sequence[np.ndarray], folder: Path) -> None:
    """Write inputs, and Keras' outputs for the first of them, into ``folder``."""
    arrays = {f"input_{index}": array for index, array in enumerate(inputs)}
    outputs = enumerate(keras_outputs(keras_model, inputs[0]))
    arrays |= {f"output_{index}": array for index, array in outputs}
    np.savez(folder / FILE, **arrays)  # type: ignore[arg-type]


def read_expected(folder: Path) -> Expected:
    """Read what `write_expected` wrote."""
    with np.load(folder / FILE) as archive:
        inputs = [archive[name] for name in archive.files if name.startswith("input_")]
        outputs = [archive[name] for name in archive.files if name.startswith("output_")]
    return Expected(inputs, outputs)


def calibrate_batchnorms(keras_model: Any, images: np.ndarray) -> None:
    """Set the moving statistics of every BatchNormalization to those of ``images``."""
    import tensorflow as tf

    kind = tf.keras.layers.BatchNormalization
    norms = [layer for layer in network.all_layers(keras_model) if isinstance(layer, kind)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    # All images at once: a graph takes time to trace, but frees activations early.
    train = partial(keras_model, training=True)
    if images.nbytes > _CHUNK_BYTES:
        train = tf.function(train, autograph=False)
    train(tf.constant(images))
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


def _load_weights(keras_model: Any, file: Path) -> bool:
    """Set the weights in ``file`` if it exists, is intact and fits the model; return whether."""
    with suppress(OSError, EOFError, ValueError, BadZipFile), np.load(file) as archive:
        weights = [archive[name] for name in archive.files]
        if [w.shape for w in weights] == [w.shape for w in keras_model.get_weights()]:
            keras_model.set_weights(weights)
            return True
    return False


def _save_weights(keras_model: Any, file: Path) -> None:
    """Write the weights to ``file`` atomically."""
    weights = enumerate(keras_model.get_weights())
    replace_arrays(file, {f"arr_{index}": weight for index, weight in weights})


def _wider_kernels(keras_model: Any, images: np.ndarray) -> None:
    """Draw every kernel anew with variance 2 / fan-in, and set BatchNormalization's statistics.

    Source: He et al., 2015, Delving Deep into Rectifiers, eq. 10. Scales that start near zero
    (layer scale) become one.
    """
    rng = np.random.default_rng(_SEED)
    weights = []
    for value in keras_model.get_weights():
        if value.ndim >= 2:
            fan_in = max(1, int(np.prod(value.shape[:-1])))
            value = rng.standard_normal(value.shape, np.float32) * np.sqrt(2 / fan_in)
        elif value.dtype.kind == "f" and value.size and 0 < np.abs(value).max() < 1e-3:
            value = np.ones_like(value)
        weights.append(value)
    keras_model.set_weights(weights)
    calibrate_batchnorms(keras_model, images)


def _smaller_last_kernels(keras_model: Any, images: np.ndarray) -> None:
    """Divide the last kernel by 10, so that a softmax behind it is not saturated.

    Without normalisation (SqueezeNet) the logits keep the scale of the image, some 100. Of a
    network with several outputs it is the last kernel before each.
    """
    kernels = [weight for weight in keras_model.weights if len(weight.shape) >= 2]
    outputs = keras_model.outputs or ()
    last = [kernel for output in outputs for kernel in _kernels_before(output)]
    shrunk = last if len(outputs) > 1 else kernels[-1:]
    for kernel in {id(kernel): kernel for kernel in shrunk}.values():
        kernel.assign(np.asarray(kernel) / 10)


def _kernels_before(output: Any) -> Iterator[Any]:
    """Yield the nearest kernel on each way back from a symbolic ``output`` to the input."""
    layer, index, _ = output._keras_history
    pending = [layer._inbound_nodes[index]]
    while pending:
        node = pending.pop()
        layer = getattr(node, "operation", None) or node.layer  # Keras 3, Keras 2
        weights = getattr(layer, "weights", ())
        kernels = [weight for weight in weights if len(weight.shape) >= 2]
        if kernels:
            yield kernels[-1]
        else:
            pending += node.parent_nodes
