"""Predict classes with names and probabilities for images."""

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
    """One predicted class of an image.

    Attributes:
        number: index of the class, from 0.
        name: for people.
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

    Each row adds up to 1, unless the classes are independent (a sigmoid each). A single sigmoid is
    the probability of the second of two classes.

    Args:
        model: its ``output`` selects one of several outputs; its label is used in messages.
        network: its ``keras.Model``.
        images: float32 ``(n, height, width, channels)`` in 0..255.
        preprocess: preprocessing of the images, or None.

    Raises:
        UserError: there is no such output, or it is not a row of finite numbers.
    """
    path = output_names.chosen(output_names.of(network), model.output, model.label)
    given = network.predict(preprocess(images) if preprocess else images, verbose=0)
    returned = output_names.named(given)
    # `predict` replaces a list of one output by the output itself.
    chosen = np.asarray(returned[path if path in returned else ""], dtype=np.float64)
    if chosen.ndim != 2:
        raise UserError(
            f"{model.label} returns maps, not classes", hint="predict with a classifier"
        )
    if not np.isfinite(chosen).all():
        raise UserError(f"the outputs of {model.label} are not finite")
    try:
        return outputs.probabilities(chosen, outputs.kind(network, chosen))
    except JobFailed as error:
        raise UserError(f"{model.label}: {error}") from None


def remark(model: Model, network: Any) -> str:
    """Return a remark on the output used, if there are several and ``model`` selects none."""
    structure = output_names.of(network)
    path = output_names.chosen(structure, model.output, model.label)
    return output_names.remark(structure, path) if model.output is None else ""


def best(row: np.ndarray, top: int, names: Sequence[str] | None) -> list[Guess]:
    """Return the ``top`` most probable classes of one image, best first, or all if fewer.

    Args:
        row: one probability per class.
        top: number of classes to return.
        names: of the classes, in order; without them classes are numbered.
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

    # Descending probabilities, so that the names come in order.
    ranked = np.arange(IMAGENET_CLASSES, 0, -1, dtype=np.float32)[None]
    decode = tf.keras.applications.imagenet_utils.decode_predictions
    with weights.explain_failed_download("ImageNet's class names"):
        decoded = decode(ranked, top=IMAGENET_CLASSES)
    return [name for _, name, _ in decoded[0]]
