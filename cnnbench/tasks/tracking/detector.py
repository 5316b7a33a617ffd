"""Detections of a detector in every frame of a sequence, in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from cnnbench.data.pictures import Fit
from cnnbench.errors import JobFailed
from cnnbench.tasks.detection.objective import DetectionObjective
from cnnbench.tasks.tracking.footage import Footage
from cnnbench.tasks.tracking.kalman import Floats
from cnnbench.tasks.tracking.links import overlaps
from cnnbench.tasks.tracking.tracker import Detections

_BATCH = 30
_CANDIDATES, _MOST = 1000, 100  # boxes of a frame that are compared, and that are kept


def separate(boxes: Floats, scores: Floats, floor: float, iou: float) -> Detections:
    """Return the best boxes of a frame after non-max suppression regardless of class.

    Two boxes on one object are two tracks even if their classes differ, so the class-wise
    suppression of average precision does not suit tracking.

    Args:
        boxes: ``(N, 4)``.
        scores: of every class, ``(N, classes)``; a box has its best one.
        floor: boxes with lower scores are left out.
        iou: of two boxes with a larger IoU, only the one with the higher score is kept.
    """
    best = scores.max(axis=1, initial=0.0)
    order = np.argsort(-best, kind="stable")[:_CANDIDATES]
    order = order[best[order] >= floor]
    overlap = overlaps(boxes[order], boxes[order]) > iou
    kept: list[int] = []
    for place in range(len(order)):
        if not overlap[place, kept].any():
            kept.append(place)
    rows = order[kept[:_MOST]]
    return Detections(boxes[rows], best[rows], scores[rows].argmax(axis=1))


class FrameDetector:
    """A trained detector applied to frames.

    Args:
        network: a ``keras.Model`` with the outputs of its task.
        objective: of that task; it knows which outputs are boxes, and their coding.
        preprocess: its preprocessing of images in 0..255.
        fit: how frames are fitted to its input.
        floor, iou: as in `separate`.

    Attributes:
        seconds: time of network, decoding and suppression so far, without reading frames.
        frames: number of frames so far.
    """

    def __init__(
        self,
        network: Any,
        objective: DetectionObjective,
        preprocess: Callable[[Any], Any],
        fit: Fit,
        floor: float,
        iou: float,
    ) -> None:
        import tensorflow as tf

        decode = partial(objective.decoded, encoding=objective.encoding(network))
        self._decode = tf.function(decode, reduce_retracing=True)
        self._network, self._preprocess = network, preprocess
        self._fit, self._floor, self._iou = fit, floor, iou
        self._shape = tuple(int(side) for side in network.inputs[0].shape[1:])
        self._is_warm = False
        self.seconds, self.frames = 0.0, 0

    def detect(self, footage: Footage) -> list[Detections]:
        """Return the detections in each frame, boxes in px of the frame."""
        found: list[Detections] = []
        for start in range(0, len(footage), _BATCH):
            read = [
                footage.fitted(frame, self._shape, self._fit)
                for frame in range(start, min(start + _BATCH, len(footage)))
            ]
            images = np.stack([image for image, _ in read]).astype(np.float32)
            spare = np.repeat(images[-1:], _BATCH - len(images), axis=0)  # one shape for the graph
            batch = np.asarray(self._preprocess(np.concatenate([images, spare])), np.float32)
            if not self._is_warm:
                self._outputs(batch)
                self._is_warm = True
            started = time.perf_counter()
            answers = self._separated(batch, len(read))
            self.seconds += time.perf_counter() - started
            self.frames += len(read)
            for one, (_, place) in zip(answers, read, strict=True):
                boxes = place.back(one.boxes) * np.tile(place.picture, 2)
                found.append(Detections(boxes, one.scores, one.labels))
        return found

    def _separated(self, batch: np.ndarray, count: int) -> Sequence[Detections]:
        boxes, scores = self._outputs(batch)
        return [
            separate(*frame, self._floor, self._iou)
            for frame in zip(boxes[:count], scores[:count], strict=True)
        ]

    def _outputs(self, batch: np.ndarray) -> tuple[Floats, Floats]:
        found = self._decode(self._network.predict_on_batch(batch))
        boxes, scores = (np.asarray(one, np.float64) for one in found)
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise JobFailed("its outputs are not finite")
        return boxes, scores
