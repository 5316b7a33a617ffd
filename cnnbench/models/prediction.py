"""From images to named classes and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnbench.core import outputs
from cnnbench.core.errors import UserError
from cnnbench.models import weights
from cnnbench.models.model import Model

IMAGENET_CLASSES = 1000
_OF_PROBABILITIES = ("softmax", "sigmoid", "hard_sigmoid")


@dataclass(frozen=True)
class Guess:
    """One class that an image may be of.

    Attributes:
        number: of the class, from 0.
        name: of the class, for people.
        probability: between 0 and 1.
    """

    number: int
    name: str
    probability: float


def probabilities(model: Model, network: Any, images: np.ndarray) -> np.ndarray:
    """What ``network`` makes of images: ``(n, classes)``.

    Each row adds up to 1, unless its classes do not exclude one another (a sigmoid for each). A
    single sigmoid tells two classes apart, the second with the probability that it gives.

    Args:
        model: preprocesses the images.
        network: its ``keras.Model``; of several outputs the model's ``output`` counts.
        images: float32 ``(n, height, width, channels)`` in 0..255.

    Raises:
        UserError: there is no such output, or it is no row of classes, or no numbers.
    """
    path = outputs.chosen(outputs.of(network), model.output, model.label)
    returned = outputs.named(network.predict(model.preprocess(images), verbose=0))
    # `predict` takes a list of one output for the output itself.
    judged = np.asarray(returned[path if path in returned else ""], dtype=np.float64)
    if judged.ndim != 2:
        raise UserError(f"{model.label} gives maps, not classes", hint="predict with a classifier")
    if not np.isfinite(judged).all():
        raise UserError(f"what {model.label} gives are no numbers")
    return _probabilities(judged, _are_probabilities(network, judged))


def remark(model: Model, network: Any) -> str:
    """Return which output was taken, where ``network`` has several and ``model`` names none."""
    structure = outputs.of(network)
    path = outputs.chosen(structure, model.output, model.label)
    return outputs.remark(structure, path) if model.output is None else ""


def best(row: np.ndarray, top: int, names: Sequence[str] | None) -> list[Guess]:
    """The ``top`` most probable classes of one image, best first; fewer where there are fewer.

    Args:
        row: a probability a class.
        top: how many.
        names: of the classes, in order; None gives them numbers.
    """
    return [
        Guess(int(i), names[i] if names else f"class {i}", float(row[i]))
        for i in np.argsort(-row, kind="stable")[:top]
    ]


def imagenet_names() -> list[str]:
    """The names of ImageNet's 1,000 classes, in order.

    Raises:
        Unavailable: Keras' list of them is not on this machine and cannot be downloaded.
    """
    import tensorflow as tf

    # Probabilities that make them come in their order.
    ranked = np.arange(IMAGENET_CLASSES, 0, -1, dtype=np.float32)[None]
    decode = tf.keras.applications.imagenet_utils.decode_predictions
    with weights.explained("ImageNet's class names"):
        decoded = decode(ranked, top=IMAGENET_CLASSES)
    return [name for _, name, _ in decoded[0]]


def _are_probabilities(network: Any, given: np.ndarray) -> bool:
    """Whether outputs are probabilities: as the last layer says, else as the numbers look."""
    last = network.layers[-1] if len(network.outputs) == 1 else None
    activation = getattr(getattr(last, "activation", None), "__name__", "")
    if activation in _OF_PROBABILITIES or type(last).__name__ == "Softmax":
        return True
    if activation == "linear":
        return False
    are_shares = bool(given.min() >= 0 and given.max() <= 1)
    return are_shares and (given.shape[1] == 1 or np.allclose(given.sum(axis=1), 1, atol=1e-3))


def _probabilities(given: np.ndarray, are_probabilities: bool) -> np.ndarray:
    """The outputs themselves where they are probabilities, else their softmax."""
    if given.shape[1] == 1:
        second = given if are_probabilities else 1 / (1 + np.exp(-given))
        return np.concatenate([1 - second, second], axis=1)
    if are_probabilities:
        return given
    powers = np.exp(given - given.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
