"""Codings of detectors as the task uses them: training targets, losses, decoding.

One file for each kind of `cnnbench.models.heads.coding`, and one for networks that return decoded
boxes; `stated` finds the one of a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from cnnbench.tasks.detection import DetectionOptions
from cnnbench.tasks.task import Shape


class Coder(Protocol):
    """One coding of boxes. Tensors have a batch axis; boxes are ``y0 x0 y1 x1``."""

    @property
    def kind(self) -> str:
        """A description for messages: ``a grid of 7 x 7 cells``."""

    def classes(self, shapes: Mapping[str, Shape]) -> int:
        """Return the number of classes of a network with outputs of these shapes, by role."""

    def targets(self, labels: Any, boxes: Any, ignored: Any) -> Any:
        """Return the targets of the losses, one tensor or one for each output.

        Args:
            labels: int ``(b, k)``, negative in unused rows.
            boxes: ``(b, k, 4)``.
            ignored: bool ``(b, k)``: objects that do not contribute to the losses.
        """

    def losses(self, options: DetectionOptions, label_smoothing: float) -> Any:
        """Return a Keras loss, or one for each output."""

    def loss_weights(self, options: DetectionOptions) -> Mapping[str, float] | None:
        """Return the weight of each of several losses; None if there is only one."""
        return None

    def decoded(self, outputs: Any) -> tuple[Any, Any]:
        """Return boxes ``(n, N, 4)``, not clipped to the image, and scores ``(n, N, classes)``.

        Implementations use only operations that LiteRT, ONNX and OpenVINO support.

        Args:
            outputs: the network's output, or outputs by role.
        """

    def lost(self, labels: np.ndarray, boxes: np.ndarray, ignored: np.ndarray) -> np.ndarray:
        """Return a mask of the objects without a cell or anchor of their own, bool ``(n, k)``."""
