"""Codings of detectors as the task uses them: targets, losses, and boxes from outputs.

One file for each kind of `cnnbench.models.heads.coding`, and one for networks that return ready
boxes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from cnnbench.errors import JobFailed
from cnnbench.models.heads import coding as codings
from cnnbench.models.heads.coding import AnchorCoding, GridCoding
from cnnbench.tasks.detection import DetectionOptions
from cnnbench.tasks.task import Shape

DECODED = "decoded"
"""The kind of a network that returns boxes and scores as they are."""


class Coder(Protocol):
    """One coding of boxes. Tensors have a batch axis; boxes are ``y0 x0 y1 x1``."""

    @property
    def kind(self) -> str:
        """A phrase for people: ``a grid of 7 x 7 cells``."""

    def classes(self, shapes: Mapping[str, Shape]) -> int:
        """Return the number of classes of a network with outputs of these shapes, by role."""

    def targets(self, labels: Any, boxes: Any, ignored: Any) -> Any:
        """Return the targets of the losses, one tensor or one for each output.

        Args:
            labels: int ``(b, k)``, negative where there is no object.
            boxes: ``(b, k, 4)``.
            ignored: bool ``(b, k)``: objects that are neither right nor wrong.
        """

    def losses(self, options: DetectionOptions, label_smoothing: float) -> Any:
        """Return a Keras loss, or one for each output."""

    def loss_weights(self, options: DetectionOptions) -> Mapping[str, float] | None:
        """Return the weight of each of several losses; None if there is only one."""
        return None

    def decoded(self, outputs: Any) -> tuple[Any, Any]:
        """Return boxes ``(n, N, 4)``, not clipped to the image, and scores ``(n, N, classes)``.

        By operations that LiteRT, ONNX and OpenVINO have.

        Args:
            outputs: of the network, a tensor or tensors by role.
        """

    def lost(self, labels: np.ndarray, boxes: np.ndarray, ignored: np.ndarray) -> np.ndarray:
        """Return which objects the coding cannot hold beside the others, bool ``(n, k)``."""


def of_network(network: Any) -> str:
    """Return the coding that a ``keras.Model`` states, as canonical JSON; else `DECODED`.

    A layer that wraps the one that states it, as quantisation does, hides nothing.
    """
    layers = network._flatten_layers(include_self=False, recursive=True)
    stated = (getattr(layer, "coding", None) for layer in layers)
    found = next((one for one in stated if isinstance(one, Mapping)), {"kind": DECODED})
    return canonical(_plain(found))


def canonical(values: Mapping[str, Any]) -> str:
    """Return JSON values as text that is the same for the same values."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def coder(encoding: str) -> Coder:
    """Return the coder of an encoding, as `of_network` returns it.

    Raises:
        JobFailed: there is no such coding.
    """
    from cnnbench.tasks.detection.codings.anchors import AnchorCoder
    from cnnbench.tasks.detection.codings.decoded import DecodedCoder
    from cnnbench.tasks.detection.codings.grid import GridCoder

    values = json.loads(encoding)
    if values.get("kind") == DECODED:
        return DecodedCoder()
    try:
        found = codings.of_json(values)
    except ValueError as error:
        raise JobFailed(f"its layer {codings.LAYER} states {error}") from None
    if isinstance(found, GridCoding):
        return GridCoder(found)
    assert isinstance(found, AnchorCoding)
    return AnchorCoder(found)


def _plain(value: Any) -> Any:
    """Return the values of a layer's attribute, which Keras may wrap, as JSON values."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
