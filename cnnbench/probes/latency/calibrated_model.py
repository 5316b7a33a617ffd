"""A network whose outputs tell something, with inputs for it and what Keras says to them.

Fresh random weights make deep networks answer nearly the same to everything, and then any two
runtimes agree. Weights whose outputs vary already (trained ones) are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

_SEED = 0
# Relative to the largest output, by which two random images must differ somewhere.
_VARIED = 0.01
_FILE = "expected.npz"
# Rotating inputs are kept in memory: enough of them to defeat a cache, few enough to hold.
_INPUT_BYTES, _MOST_INPUTS = 64 * 2**20, 4
_COARSE = 4  # squares a side of the pattern in a random image
# What Keras is given at once: eight images of 224 px. Its eager call keeps every activation to the
# end: 4 GB for one image of EfficientNetB7.
_CHUNK_BYTES = 8 * 224 * 224 * 3 * 4
# The largest difference from Keras' output, relative to the largest output, that rounding in this
# precision explains over some hundred layers. TensorFloat-32 has ten bits of mantissa: on an H100
# MobileNetV2 differed by 0.008, InceptionV3 by 0.023.
TOLERANCE = {"float32": 1e-3, "tensorfloat32": 0.05, "bfloat16": 0.1, "float16": 0.02}
# Images that BatchNormalization's statistics are set from.
_SEEN = 4


@dataclass(frozen=True)
class Expected:
    """Inputs, ``(batch, ...)`` float32 each, and Keras' outputs for the first of them."""

    inputs: list[np.ndarray]
    outputs: list[np.ndarray]


def build(subject: ModelHandle, shared: Path | None = None) -> Any:
    """Build ``subject`` with seeded weights, scaled so that its output is not constant.

    Args:
        subject: the network.
        shared: a folder in which the weights, once scaled, are left for the next of its cells.

    Raises:
        JobFailed: the outputs are constant or not finite, whatever the weights.
    """
    import tensorflow as tf

    tf.keras.utils.set_random_seed(_SEED)
    model = subject.build()
    file = shared and shared / f"weights-{sha256(subject.label.encode()).hexdigest()[:16]}.npz"
    # Judged on other images than those that the statistics were set to: saturation must show.
    seen, unseen = random_inputs(subject, _SEEN, seed=1), random_inputs(subject, 2, seed=2)
    # BatchNormalization is told what it sees first; what has none gets wider kernels before, and
    # where these drive a softmax to one class for every image, a calmer classifier.
    scaling = (calibrate_batchnorms, _wider_kernels, *[_calmer_classifier] * 3)
    if file is not None:
        _take_over(model, file)
    if variation(model, unseen) > _VARIED:
        return model
    for scale in scaling:
        scale(model, seen)
        if variation(model, unseen) > _VARIED:
            if file is not None:
                _leave(model, file)
            return model
    raise JobFailed(
        "the outputs are the same for every input, or not finite: runtimes cannot be compared"
    )


def is_large(subject: ModelHandle) -> bool:
    """Whether its images are so large (317 px and more) that activations fill the memory."""
    return _SEEN * 4 * int(np.prod(subject.input_shape)) > _CHUNK_BYTES


def in_precision(subject: ModelHandle, model: Any, dtype: str) -> Any:
    """``model`` itself for float32, else the same weights computed with in ``dtype``.

    Raises:
        Unavailable: its layers say themselves in what they compute, as those of a ``.keras`` file.
    """
    if dtype == "float32":
        return model
    other = with_policy(subject.build, dtype)
    if not any(layer.compute_dtype == dtype for layer in network.all_layers(other)):
        raise Unavailable(f"{subject.label} fixes the precision of its layers; measure a builder")
    other.set_weights(model.get_weights())
    return other


def with_policy(build: Callable[[], Any], dtype: str) -> Any:
    """What ``build`` returns under Keras' mixed precision: it computes in ``dtype``.

    Variables stay float32.
    """
    import tensorflow as tf

    if dtype == "float32":
        return build()
    tf.keras.mixed_precision.set_global_policy(f"mixed_{dtype}")
    try:
        return build()
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")


def random_inputs(subject: ModelHandle, batch_size: int, seed: int) -> np.ndarray:
    """A batch of random images in 0..255, preprocessed as the network wants them.

    Half of it is noise, half a coarse random pattern: noise alone averages out in deep networks,
    and every image would look the same to them.
    """
    height, width, channels = subject.input_shape
    rng = np.random.default_rng(seed)
    rows, columns = (np.arange(size) * _COARSE // size for size in (height, width))
    pattern = rng.random((batch_size, _COARSE, _COARSE, channels), dtype=np.float32)
    noise = rng.random((batch_size, height, width, channels), dtype=np.float32)
    images = 127.5 * (pattern[:, rows][:, :, columns] + noise)
    return np.ascontiguousarray(subject.preprocess(images), dtype=np.float32)


def variation(model: Any, images: np.ndarray) -> float:
    """The largest difference between the outputs of two images over the largest output."""
    outputs = [np.asarray(o, np.float64) for o in answers(model, images)]
    if not all(np.isfinite(output).all() for output in outputs):
        return 0.0
    return max(
        (float(np.ptp(output, axis=0).max() / (np.abs(output).max() or 1)) for output in outputs),
        default=0.0,
    )


def answers(model: Any, images: np.ndarray) -> list[np.ndarray]:
    """The plain Keras call: the model's outputs for ``images``, chunk by chunk."""
    import tensorflow as tf

    size = max(1, _CHUNK_BYTES // images[0].nbytes)
    chunks = [
        [np.asarray(o) for o in tf.nest.flatten(model(images[at : at + size], training=False))]
        for at in range(0, len(images), size)
    ]
    return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]


def difference(
    outputs: Sequence[np.ndarray], expected: Sequence[np.ndarray]
) -> tuple[float, float]:
    """The largest absolute difference, and the largest absolute value that was expected.

    Of several outputs, those of the one that differs by most of its own scale. NaN where a
    difference is; infinite where the shapes differ.
    """
    scales = [float(np.abs(array).max()) for array in expected]
    if [array.shape for array in outputs] != [array.shape for array in expected]:
        return float("inf"), max(scales)
    scales = [scale or max(scales) for scale in scales]  # one that is all zero has none of its own
    pairs = zip(outputs, expected, strict=True)
    found = [float(np.abs(o.astype(np.float64) - e).max()) for o, e in pairs]
    # NumPy takes NaN for the largest, and so do we.
    worst = int(np.argmax([d / (scale or 1) for d, scale in zip(found, scales, strict=True)]))
    return found[worst], scales[worst]


def disagreement(difference: float, scale: float, arithmetic: str = "float32") -> list[str]:
    """The flag of outputs further from Keras' than rounding in ``arithmetic`` explains."""
    if difference <= TOLERANCE[arithmetic] * scale:  # not the other way round: a NaN disagrees too
        return []
    return [f"output disagrees with Keras by {difference:.2g} (largest output {scale:.2g})"]


def write_expected(subject: ModelHandle, model: Any, batch_size: int, folder: Path) -> None:
    """Write the rotating inputs, and the plain Keras outputs for the first of them."""
    one = random_inputs(subject, batch_size, seed=2)
    count = max(2, min(_MOST_INPUTS, _INPUT_BYTES // one.nbytes))
    inputs = [one, *(random_inputs(subject, batch_size, seed) for seed in range(3, 2 + count))]
    arrays = {f"input_{place}": array for place, array in enumerate(inputs)}
    outputs = {f"output_{place}": array for place, array in enumerate(answers(model, one))}
    np.savez(folder / _FILE, **arrays, **outputs)  # type: ignore[arg-type]


def read_expected(folder: Path) -> Expected:
    """Read back what `write_expected` wrote."""
    with np.load(folder / _FILE) as archive:
        inputs = [archive[name] for name in archive.files if name.startswith("input_")]
        outputs = [archive[name] for name in archive.files if name.startswith("output_")]
    return Expected(inputs, outputs)


def calibrate_batchnorms(model: Any, images: np.ndarray) -> None:
    """Set the moving statistics of every BatchNormalization to those of ``images``."""
    import tensorflow as tf

    norms = [
        layer
        for layer in network.all_layers(model)
        if isinstance(layer, tf.keras.layers.BatchNormalization)
    ]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    # All images go together here. A graph takes time to trace, but forgets what nobody needs again.
    train = partial(model, training=True)
    if images.nbytes > _CHUNK_BYTES:
        train = tf.function(train, autograph=False)
    train(tf.constant(images))
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


def _take_over(model: Any, file: Path) -> None:
    """Give ``model`` the weights in ``file``, where there are some and they are its own."""
    with suppress(OSError, EOFError, ValueError, BadZipFile), np.load(file) as archive:
        weights = [archive[name] for name in archive.files]
        if [w.shape for w in weights] == [w.shape for w in model.get_weights()]:
            model.set_weights(weights)


def _leave(model: Any, file: Path) -> None:
    """Write the weights of ``model`` to ``file``, whole or not at all."""
    weights = enumerate(model.get_weights())
    replace_arrays(file, {f"arr_{place}": weight for place, weight in weights})


def _wider_kernels(model: Any, images: np.ndarray) -> None:
    """Draw every kernel anew with He's variance, which ReLU does not shrink; then calibrate.

    Source: He et al., 2015, Delving Deep into Rectifiers, eq. 10: variance 2 / fan-in. Scales
    that start near zero (layer scale) become one.
    """
    rng = np.random.default_rng(_SEED)
    weights = []
    for value in model.get_weights():
        if value.ndim >= 2:
            fan_in = max(1, int(np.prod(value.shape[:-1])))
            value = rng.standard_normal(value.shape, np.float32) * np.sqrt(2 / fan_in)
        elif value.dtype.kind == "f" and value.size and 0 < np.abs(value).max() < 1e-3:
            value = np.ones_like(value)
        weights.append(value)
    model.set_weights(weights)
    calibrate_batchnorms(model, images)


def _calmer_classifier(model: Any, images: np.ndarray) -> None:
    """A tenth of the last kernel, so that a softmax behind it is not saturated.

    Without normalisation (SqueezeNet) the logits keep the scale of the image, some 100.
    """
    weights = model.get_weights()
    last = max(place for place, value in enumerate(weights) if value.ndim >= 2)
    weights[last] = weights[last] / 10
    model.set_weights(weights)
