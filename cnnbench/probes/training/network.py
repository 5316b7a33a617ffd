"""The network that a recipe trains: built for the data set, its layers set for short schedules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cnnbench.core.errors import JobFailed
from cnnbench.core.reference import show
from cnnbench.core.settings.accuracy import AccuracySetting
from cnnbench.core.subject import Subject


def channels(subject: Subject) -> int:
    """How many channels the network takes: 3 where it was made for colour, 1 where for grey.

    Raises:
        JobFailed: pictures have another number.
    """
    count = subject.input_shape[-1]
    if count not in (1, 3):
        raise JobFailed(f"it takes images of {count} channels; pictures have 1 or 3")
    return count


def images(subject: Subject, setting: AccuracySetting) -> tuple[int, ...]:
    """``(height, width, channels)`` of the images that it is trained on, or judged with.

    Raises:
        JobFailed: pictures have another number of channels than its input, or it is fixed at
            another size.
    """
    channels(subject)
    shape = setting.images_for(subject.input_shape)
    if "input_shape" in subject.fixed and shape != tuple(subject.input_shape):
        raise JobFailed(
            f"its input is fixed at {show(subject.input_shape)}, not {show(shape)}: "
            "say `image_size: own` for it"
        )
    return shape


def scratch(
    subject: Subject, shape: tuple[int, ...], classes: int, batchnorm_momentum: float
) -> Any:
    """The whole network with fresh weights for images of ``shape``, ``(height, width, channels)``.

    Raises:
        JobFailed: it has several outputs.
    """
    # Not `build`, which gives a .keras file the trained weights that it comes with.
    model = subject.architecture(input_shape=shape, classes=classes)
    if len(model.outputs) != 1:
        raise JobFailed(f"it has {len(model.outputs)} outputs; images are classified by one")
    set_batchnorm_momentum(model, batchnorm_momentum)
    return model


def set_batchnorm_momentum(model: Any, momentum: float) -> int:
    """Set the momentum of every BatchNormalization, nested ones too; return how many."""
    found = [layer for layer in all_layers(model) if is_batchnorm(layer)]
    for layer in found:
        layer.momentum = momentum
    return len(found)


def all_layers(model: Any) -> Iterator[Any]:
    """Every layer inside ``model``, at any depth, each before what it contains."""
    # Both generations of Keras have it, and nothing public looks into subclassed layers.
    yield from model._flatten_layers(include_self=False, recursive=True)


def is_batchnorm(layer: Any) -> bool:
    """Whether a layer is (a subclass of) Keras' BatchNormalization."""
    import tensorflow as tf

    return isinstance(layer, tf.keras.layers.BatchNormalization)


def gives_probabilities(model: Any) -> bool:
    """Whether the outputs are probabilities already: tried on a batch, not read from a layer."""
    shape = tuple(model.input_shape[1:])
    images = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    outputs = np.asarray(model(images, training=False), np.float64)
    return bool(np.all(outputs >= 0) and np.allclose(outputs.sum(axis=-1), 1, atol=1e-3))
