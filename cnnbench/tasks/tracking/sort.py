"""SORT (arXiv:1602.00763): expected boxes of all tracks and detections, matched by IoU."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from cnnbench.schema import StrictModel
from cnnbench.tasks.tracking.links import Population, overlaps
from cnnbench.tasks.tracking.tracker import Detections, Tracks

Frames = Annotated[int, Field(strict=True, ge=0, le=100_000)]
Hits = Annotated[int, Field(strict=True, ge=1, le=1000)]
Share = Annotated[float, Field(ge=0, le=1)]


class Sort(StrictModel):
    """SORT. The paper forgets a track after one frame without a detection (``max_age=1``).

    Attributes:
        min_hits: detections in consecutive frames that confirm a track; earlier ones are not
            reported. Tracks that begin in the first frame need no more.
        max_age: frames without a detection after which a track is still remembered.
        iou: least IoU of a detection with the expected box.
        score: detections with lower scores are not used.
    """

    min_hits: Hits = 3
    max_age: Frames = 30
    iou: Share = 0.3
    score: Share = 0.2

    def start(self) -> SortLinker:
        """Return the tracker of a new sequence."""
        return SortLinker(self)


class SortLinker:
    """SORT within one sequence."""

    def __init__(self, settings: Sort) -> None:
        self._settings = settings
        self._tracks = Population(settings.min_hits, settings.max_age)

    def update(self, detections: Detections) -> Tracks:
        """Return the tracks visible in the next frame."""
        tracks, least = self._tracks, self._settings.iou
        tracks.predict()
        rows = np.flatnonzero(detections.scores >= self._settings.score)
        every = np.arange(len(tracks.ids))
        overlap = overlaps(tracks.filters.boxes, detections.boxes[rows])
        rows = tracks.link(every, detections, rows, overlap, least)
        turned = np.flatnonzero(tracks.is_lost)
        overlap = overlaps(tracks.last[turned], detections.boxes[rows])
        rows = tracks.link(turned, detections, rows, overlap, least)
        tracks.begin(detections, rows)
        return tracks.finish(detections)
