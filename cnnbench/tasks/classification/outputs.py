"""Kinds of classifier outputs, and their conversion to probabilities and predicted classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cnnbench.errors import JobFailed
from cnnbench.tasks.task import Prediction

if TYPE_CHECKING:
    from cnnbench.data.drawing import Mark

Kind = Literal["softmax", "logits", "sigmoids", "sigmoid", "logit"]
"""Kinds of outputs. With one output per class: probabilities that add up to one, logits, or
independent probabilities (``sigmoids``). With a single output, for two classes: the probability of
the second (``sigmoid``) or its logit.
"""

_SHARES = ("softmax", "Softmax")
_EACH = ("sigmoid", "hard_sigmoid", "Sigmoid", "HardSigmoid")
# They do not change values.
_PASS_ON = ("Activation", "Dropout", "Flatten", "Identity", "PlaceOnGrid", "Reshape")


@dataclass(frozen=True)
class Guess(Prediction):
    """One predicted class of an image.

    Attributes:
        number: index of the class, from 0.
        name: for people.
        probability: between 0 and 1.
    """

    number: int
    name: str
    probability: float

    def __str__(self) -> str:
        return f"{100 * self.probability:5.1f} %  {self.name}"

    def cells(self) -> dict[str, str]:
        return {"Class": self.name, "Probability": f"{100 * self.probability:5.1f} %"}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def mark(self, number: int) -> Mark:
        """Return a caption, since the class is that of the whole picture."""
        from cnnbench.data.drawing import Mark

        return Mark(f"{self.name} {100 * self.probability:.1f} %", number)


def decode(
    outputs: np.ndarray, network: Any, names: Sequence[str], top: int
) -> list[list[Prediction]]:
    """Return the ``top`` most probable classes of each image, best first; see `Task.decode`.

    The probabilities of an image add up to 1, unless the classes are independent (a sigmoid each).
    A single output is about the second of two classes. Of a classifier that slides over the image,
    ``(n, down, right, classes)``, they are the most probable windows.
    """
    if outputs.ndim == 4:
        from cnnbench.tasks.classification.windows import decode as decode_windows

        return decode_windows(outputs, network, names, top)
    if outputs.ndim != 2:
        raise JobFailed("its outputs are not classes: predict with a classifier")
    rows = probabilities(outputs, kind(network, outputs))
    check_names(names, rows)
    return [
        [
            Guess(int(i), names[i] if names else f"class {i}", float(row[i]))
            for i in np.argsort(-row, kind="stable")[:top]
        ]
        for row in rows
    ]


def check_names(names: Sequence[str], rows: np.ndarray) -> None:
    """Raise `JobFailed` if there are names, but not one for each class."""
    if names and len(names) != rows.shape[-1]:
        raise JobFailed(f"{len(names)} names, but it has {rows.shape[-1]} classes")


def kind(network: Any, outputs: np.ndarray) -> Kind:
    """Return the kind of the outputs of a ``keras.Model``.

    Args:
        network: its last activation decides, if it is known.
        outputs: ``(n, width)``; else their values decide.
    """
    activation = _last_activation(network)
    is_single = outputs.shape[-1] == 1
    if activation in _SHARES:
        return "softmax"
    if activation in _EACH:
        return "sigmoid" if is_single else "sigmoids"
    if activation != "linear" and _look_like_shares(outputs):
        return "sigmoid" if is_single else "softmax"
    return "logit" if is_single else "logits"


def kind_of_network(network: Any) -> Kind:
    """Return the kind of a classifier's outputs, called on a random batch; see `kind`."""
    shape = tuple(network.input_shape[1:])
    images = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    return kind(network, np.asarray(network(images, training=False), np.float64))


def probabilities(outputs: np.ndarray, kind: Kind) -> np.ndarray:
    """Return ``(n, classes)``; rows add up to one except for ``sigmoids``.

    A single output gives two classes.

    Raises:
        JobFailed: a softmax over a single output.
    """
    outputs = np.asarray(outputs, np.float64)
    check(kind, outputs.shape[-1])
    if kind in ("sigmoid", "logit"):
        second = outputs if kind == "sigmoid" else _logistic(outputs)
        return np.concatenate([1 - second, second], axis=1)
    if kind != "logits":
        return outputs
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return shares


def width(own: int, classes: int) -> int:
    """Return the number of outputs for ``classes``, for a network that has ``own`` by default.

    A network with a single output keeps it for two classes.
    """
    return 1 if (own, classes) == (1, 2) else classes


def class_count(width: int) -> int:
    """Return the number of classes of a network with ``width`` outputs; two for a single one."""
    return 2 if width == 1 else width


def check(kind: Kind, width: int) -> None:
    """Raise `JobFailed` if outputs of this kind and number cannot classify."""
    if kind == "softmax" and width == 1:
        raise JobFailed("its single output is a softmax, which is always 1: use a sigmoid")


def _logistic(logits: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)) without overflow."""
    powers = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1, powers) / (1 + powers)


def _look_like_shares(outputs: np.ndarray) -> bool:
    if outputs.min() < 0 or outputs.max() > 1:
        return False
    return outputs.shape[-1] == 1 or np.allclose(outputs.sum(axis=-1), 1, atol=1e-3)


def _last_activation(network: Any) -> str:
    """Return the name of the last activation function or layer; empty if unknown."""
    if len(network.outputs) != 1:
        return ""
    for layer in reversed(network.layers):
        if getattr(layer, "layers", None) and getattr(layer, "outputs", None):
            return _last_activation(layer)  # a network inside
        name = getattr(getattr(layer, "activation", None), "__name__", "")
        if name in ("", "linear") and type(layer).__name__ in _PASS_ON:
            continue
        return name or type(layer).__name__
    return ""
