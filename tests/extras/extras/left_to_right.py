"""A tracker: objects are numbered from left to right, in every frame anew."""

import numpy as np

from cnnbench.schema import StrictModel
from cnnbench.tasks.tracking import Detections, Tracks


class LeftToRight(StrictModel):
    """``left_to_right[most=5]``: at most so many objects."""

    most: int = 100

    def start(self) -> "LeftToRight":
        return self  # nothing is remembered

    def update(self, detections: Detections) -> Tracks:
        rows = np.argsort(detections.boxes[:, 1], kind="stable")[: self.most]
        found = detections.boxes[rows], detections.scores[rows], detections.labels[rows]
        return Tracks(np.arange(1, len(rows) + 1), *found, rows)
