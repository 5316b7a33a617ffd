"""From images to named classes and probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnbench.errors import JobFailed, UserError
from cnnbench.models import output_names, weights
from cnnbench.models.model import Model
from cnnbench.tasks.classification import outputs

IMAGENET_CLASSES = 1000


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


def probabilities(
    model: Model,
    network: Any,
    images: np.ndarray,
    preprocess: Callable[[np.ndarray], np.ndarray] | None,
) -> np.ndarray:
    """Return the class probabilities of ``network`` for images: ``(n, classes)``.

    Each row adds up to 1, unless its classes do not exclude one another (a sigmoid for each). A
    single sigmoid tells two classes apart, the second with the probability that it gives.

    Args:
        model: its ``output`` counts where there are several; named where something is wrong.
        network: its ``keras.Model``.
        images: float32 ``(n, height, width, channels)`` in 0..255.
        preprocess: what is done to them before the network sees them, or None.

    Raises:
        UserError: there is no such output, or it is no row of classes, or no numbers.
    """
    path = output_names.chosen(output_names.of(network), model.output, model.label)
    given = network.predict(preprocess(images) if preprocess else images, verbose=0)
    returned = output_names.named(given)
    # `predict` takes a list of one output for the output itself.
    judged = np.asarray(returned[path if path in returned else ""], dtype=np.float64)
    if judged.ndim != 2:
        raise UserError(f"{model.label} gives maps, not classes", hint="predict with a classifier")
    if not np.isfinite(judged).all():
        raise UserError(f"what {model.label} gives are no numbers")
    try:
        return outputs.probabilities(judged, outputs.kind(network, judged))
    except JobFailed as error:
        raise UserError(f"{model.label}: {error}") from None


def remark(model: Model, network: Any) -> str:
    """Return which output was taken, where ``network`` has several and ``model`` names none."""
    structure = output_names.of(network)
    path = output_names.chosen(structure, model.output, model.label)
    return output_names.remark(structure, path) if model.output is None else ""


def best(row: np.ndarray, top: int, names: Sequence[str] | None) -> list[Guess]:
    """Return the ``top`` most probable classes of one image, best first, or all if fewer.

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
    """Return the names of ImageNet's 1,000 classes, in order.

    Raises:
        Unavailable: Keras' list of them is not on this machine and cannot be downloaded.
    """
    import tensorflow as tf

    # Probabilities that make them come in their order.
    ranked = np.arange(IMAGENET_CLASSES, 0, -1, dtype=np.float32)[None]
    decode = tf.keras.applications.imagenet_utils.decode_predictions
    with weights.explain_failed_download("ImageNet's class names"):
        decoded = decode(ranked, top=IMAGENET_CLASSES)
    return [name for _, name, _ in decoded[0]]
