"""From images to named classes and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnbench.core.errors import UserError
from cnnbench.models import weights
from cnnbench.models.model import Model

IMAGENET_CLASSES = 1000


@dataclass(frozen=True)
class Guess:
    """One class that an image may be of.

    Attributes:
        name: of the class, for people.
        probability: between 0 and 1.
    """

    name: str
    probability: float


def predict(
    model: Model, network: Any, images: np.ndarray, top: int, names: Sequence[str] = ()
) -> list[list[Guess]]:
    """The ``top`` most probable classes of every image, best first.

    Args:
        model: preprocesses the images.
        network: its ``keras.Model``; of several outputs the first counts.
        images: float32 ``(n, height, width, channels)`` in 0..255.
        top: classes an image; fewer where there are not so many.
        names: of the classes, in order. Without any, ImageNet's for a network of 1,000 classes.

    Raises:
        UserError: the network has another number of classes than ``names``, or no classes.
        Unavailable: ImageNet's class names are not on this machine.
    """
    outputs = network.predict(model.preprocess(images), verbose=0)
    first = np.asarray(outputs[0] if isinstance(outputs, list) else outputs, dtype=np.float64)
    if first.ndim != 2:
        raise UserError(f"{model.label} gives maps, not classes", hint="predict with a classifier")
    if names and len(names) != first.shape[1]:
        raise UserError(
            f"{model.label} tells {first.shape[1]} classes apart, but {len(names)} are named"
        )
    named = names or _names(first.shape[1])
    return [
        [Guess(named[i], float(row[i])) for i in np.argsort(-row, kind="stable")[:top]]
        for row in _probabilities(first)
    ]


def _probabilities(outputs: np.ndarray) -> np.ndarray:
    """The outputs themselves where they are probabilities, else their softmax."""
    if outputs.min() >= 0 and np.allclose(outputs.sum(axis=1), 1, atol=1e-3):
        return outputs
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _names(classes: int) -> list[str]:
    if classes != IMAGENET_CLASSES:
        return [f"class {number}" for number in range(classes)]
    import tensorflow as tf

    ranked = np.arange(classes, 0, -1, dtype=np.float32)[None]  # so that they come in their order
    with weights.explained("ImageNet's class names"):
        decoded = tf.keras.applications.imagenet_utils.decode_predictions(ranked, top=classes)
    return [name for _, name, _ in decoded[0]]
