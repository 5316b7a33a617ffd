"""The network that a recipe trains: built for the data set, its layers set for short schedules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cnnbench.core import outputs
from cnnbench.core.errors import JobFailed
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


def scratch(
    subject: Subject, image_size: int, classes: int, batchnorm_momentum: float
) -> tuple[Any, str]:
    """The network with fresh weights for square images of ``image_size`` px, as `judged` says."""
    shape = (image_size, image_size, channels(subject))
    # Not `build`, which gives a .keras file the trained weights that it comes with.
    model, path = judged(subject, subject.architecture(input_shape=shape, classes=classes))
    set_batchnorm_momentum(model, batchnorm_momentum)
    return model, path


def judged(subject: Subject, model: Any) -> tuple[Any, str]:
    """Return ``model`` with the one output that says the class, and that output's path.

    That is the output that ``subject`` names, else the first. The network shares its layers with
    ``model``; where ``model`` returns one tensor it is ``model``, and the path is empty.

    Raises:
        UserError: there is no output of that name.
    """
    import tensorflow as tf

    structure = outputs.of(model)
    path = outputs.chosen(structure, subject.output, subject.label)
    if not path:
        return model, ""
    return tf.keras.Model(model.input, outputs.named(structure)[path], name=model.name), path


def taken(path: str) -> dict[str, str]:
    """Return what a record says of the output that was judged, where the network has several."""
    return {"output": path} if path else {}


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


def sublayers(layer: Any) -> list[Any]:
    """The layers directly inside ``layer``, in the order in which its Keras lists them."""
    return list(layer._flatten_layers(include_self=False, recursive=False))


def is_batchnorm(layer: Any) -> bool:
    """Whether a layer is (a subclass of) Keras' BatchNormalization."""
    import tensorflow as tf

    return isinstance(layer, tf.keras.layers.BatchNormalization)


def gives_probabilities(model: Any) -> bool:
    """Whether the outputs are probabilities already: tried on a batch, not read from a layer."""
    shape = tuple(model.input_shape[1:])
    images = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    given = np.asarray(model(images, training=False), np.float64)
    return bool(np.all(given >= 0) and np.allclose(given.sum(axis=-1), 1, atol=1e-3))
