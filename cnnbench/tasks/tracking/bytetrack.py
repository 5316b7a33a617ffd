"""ByteTrack (arXiv:2110.06864): boxes with low scores continue tracks that no other box continues.

A hidden or blurred object often still has a box, with a low score. Such boxes are matched second,
with the tracks that are left over and were visible in the last frame; they begin no track.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import model_validator

from cnnbench.schema import StrictModel
from cnnbench.tasks.tracking.kalman import Ints
from cnnbench.tasks.tracking.links import Population, overlaps
from cnnbench.tasks.tracking.sort import Frames, Hits, Share
from cnnbench.tasks.tracking.tracker import Detections, Tracks


class ByteTrack(StrictModel):
    """ByteTrack.

    Attributes:
        high: detections with at least this score are matched first, with all confirmed tracks.
        low: those with at least this score are matched second.
        new: a track begins at a detection with at least this score.
        iou, iou_low, iou_new: least IoU of a detection with the expected box: in the first pass, in
            the second, and for tracks that are not confirmed yet.
        min_hits: detections in consecutive frames that confirm a track; earlier ones are not
            reported. Tracks that begin in the first frame need no more.
        max_age: frames without a detection after which a track is still remembered.
    """

    high: Share = 0.5
    low: Share = 0.1
    new: Share = 0.6
    iou: Share = 0.2
    iou_low: Share = 0.5
    iou_new: Share = 0.3
    min_hits: Hits = 2
    max_age: Frames = 30

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if not self.low <= self.high <= self.new:
            raise ValueError("low, high and new of bytetrack must not decrease in this order")
        return self

    def start(self) -> ByteLinker:
        """Return the tracker of a new sequence."""
        return ByteLinker(self)


class ByteLinker:
    """ByteTrack within one sequence."""

    def __init__(self, settings: ByteTrack) -> None:
        self._settings = settings
        self._tracks = Population(settings.min_hits, settings.max_age)

    def update(self, detections: Detections) -> Tracks:
        """Return the tracks visible in the next frame."""
        settings, tracks, scores = self._settings, self._tracks, detections.scores
        was_visible = ~tracks.is_lost
        tracks.predict()
        confirmed = tracks.is_confirmed
        high = np.flatnonzero(scores >= settings.high)
        high = self._matched(np.flatnonzero(confirmed), detections, high, settings.iou)
        left = np.flatnonzero(confirmed & was_visible & tracks.is_lost)
        low = np.flatnonzero((scores >= settings.low) & (scores < settings.high))
        self._matched(left, detections, low, settings.iou_low)
        high = self._matched(np.flatnonzero(~confirmed), detections, high, settings.iou_new)
        tracks.begin(detections, high[scores[high] >= settings.new])
        return tracks.finish(detections)

    def _matched(self, tracks: Ints, detections: Detections, rows: Ints, least: float) -> Ints:
        """Continue some of the tracks by some of the detections; return the others of these."""
        overlap = overlaps(self._tracks.filters.boxes[tracks], detections.boxes[rows])
        return self._tracks.link(tracks, detections, rows, overlap, least)
