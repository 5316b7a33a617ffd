"""Networks that return decoded boxes, ``y0 x0 y1 x1`` in 0..1, and a score for each class.

They can be evaluated but not trained, because the coding of their boxes is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cnnbench.errors import JobFailed
from cnnbench.tasks.detection import DetectionOptions
from cnnbench.tasks.detection.codings import Coder
from cnnbench.tasks.detection.outputs import BOXES, SCORES
from cnnbench.tasks.task import Shape

UNTRAINABLE = (
    "it does not state how its outputs become boxes, so it can be evaluated but not trained: use a "
    "head, for example BasicCNN+yolo"
)
UNREADABLE = (
    "it does not state how its output becomes boxes, and returns no 'boxes' and 'scores': use a "
    "head, for example BasicCNN+yolo"
)


class DecodedCoder(Coder):
    """Boxes and scores as they are."""

    kind = "decoded boxes"

    def classes(self, shapes: Mapping[str, Shape]) -> int:
        if SCORES not in shapes:
            raise JobFailed(UNREADABLE)
        return shapes[SCORES][-1] or 0

    def targets(self, labels: Any, boxes: Any, ignored: Any) -> Any:
        raise JobFailed(UNTRAINABLE)

    def losses(self, options: DetectionOptions, label_smoothing: float) -> Any:
        raise JobFailed(UNTRAINABLE)

    def decoded(self, outputs: Any) -> tuple[Any, Any]:
        return outputs[BOXES], outputs[SCORES]

    def lost(self, labels: np.ndarray, boxes: np.ndarray, ignored: np.ndarray) -> np.ndarray:
        return np.zeros(labels.shape, np.bool_)
