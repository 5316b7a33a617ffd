"""Overlaps, assignment, and the tracks of a sequence with their history: shared by trackers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from cnnbench.tasks.tracking.kalman import BoxFilters, Floats, Ints
from cnnbench.tasks.tracking.tracker import Detections, Tracks

Bools = npt.NDArray[np.bool_]


def overlaps(boxes: Floats, others: Floats) -> Floats:
    """Return the IoU of each box with each of the others, ``(m, k)``; 0 for empty boxes."""
    first = np.maximum(boxes[:, None, :2], others[None, :, :2])
    last = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.maximum(last - first, 0.0), axis=2)
    areas = (np.prod(np.maximum(one[:, 2:] - one[:, :2], 0.0), axis=1) for one in (boxes, others))
    ours, theirs = areas
    union = ours[:, None] + theirs[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def assigned(overlap: Floats, least: float) -> tuple[Ints, Ints]:
    """Return the pairs with the largest sum of overlaps, each of at least ``least``.

    Pairs that overlap less do not compete: a match is never given up for one that is rejected.

    Args:
        overlap: ``(m, k)``.
        least: smallest overlap of a pair; pairs without any overlap are never made.

    Returns:
        Indices of rows and of columns, ``(pairs,)`` each.
    """
    allowed = np.where(overlap >= max(least, np.finfo(float).tiny), overlap, 0.0)
    rows, columns = linear_sum_assignment(allowed, maximize=True)
    made = allowed[rows, columns] > 0
    return rows[made], columns[made]


class Population:
    """The tracks of a sequence, a row each, in the order of their first detection.

    A track is confirmed by its detection number ``min_hits`` in consecutive frames, one that begins
    in the first frame at once. A track that misses a frame before it is confirmed is removed,
    others after more than ``max_age`` frames without a detection.

    Attributes:
        filters: the expected boxes.
        last: the last detected boxes, ``(m, 4)``.
        hits: number of detections, ``(m,)``.
        missed: number of frames since the last detection, ``(m,)``.
        ids: from 1 in the order in which tracks are confirmed; 0 before.
    """

    def __init__(self, min_hits: int, max_age: int) -> None:
        self._min_hits, self._max_age = min_hits, max_age
        self._confirmed = self._frames = 0
        self.filters = BoxFilters()
        self.last = np.zeros((0, 4))
        self.hits, self.missed, self.ids, self._rows = np.zeros((4, 0), np.int64)
        self._votes: list[dict[int, float]] = []  # class -> sum of scores, for each track

    @property
    def is_confirmed(self) -> Bools:
        return self.ids > 0

    @property
    def is_lost(self) -> Bools:
        """True for tracks without a detection in the last frame."""
        return self.missed > 0

    def predict(self) -> None:
        """Move all tracks to the next frame, in which none has a detection yet."""
        self._frames += 1
        self.filters.predict(self.is_lost)
        self.missed = self.missed + 1
        self._rows = np.full(len(self.ids), -1)

    def link(
        self, tracks: Ints, detections: Detections, rows: Ints, overlap: Floats, least: float
    ) -> Ints:
        """Continue tracks by detections; return those of the detections that continue none.

        Args:
            tracks: indices of the tracks that may be continued, ``(a,)``.
            detections: of the frame.
            rows: indices of the detections that may continue one, ``(b,)``.
            overlap: of each track with each of these, ``(a, b)``.
            least: smallest overlap of a match.
        """
        continued, found = assigned(overlap, least)
        self._continue(tracks[continued], detections, rows[found])
        return np.delete(rows, found)

    def _continue(self, tracks: Ints, detections: Detections, rows: Ints) -> None:
        self.filters.update(tracks, detections.boxes[rows])
        self.last[tracks] = detections.boxes[rows]
        self.hits[tracks] += 1
        self.missed[tracks] = 0
        self._rows[tracks] = rows
        for track, row in zip(tracks.tolist(), rows.tolist(), strict=True):
            self._vote(self._votes[track], detections, row)

    def begin(self, detections: Detections, rows: Ints) -> None:
        """Begin a track at each of some detections."""
        count = len(rows)
        self.filters.add(detections.boxes[rows])
        self.last = np.concatenate([self.last, detections.boxes[rows]])
        self.hits = np.concatenate([self.hits, np.ones(count, np.int64)])
        self.missed = np.concatenate([self.missed, np.zeros(count, np.int64)])
        self.ids = np.concatenate([self.ids, np.zeros(count, np.int64)])
        self._rows = np.concatenate([self._rows, rows])
        for row in rows.tolist():
            self._votes.append({})
            self._vote(self._votes[-1], detections, row)

    def finish(self, detections: Detections) -> Tracks:
        """Confirm and remove tracks; return those that have a detection in this frame."""
        least = 1 if self._frames == 1 else self._min_hits
        new = ~self.is_confirmed & (self.hits >= least)
        count = int(new.sum())
        self.ids[new] = self._confirmed + 1 + np.arange(count)
        self._confirmed += count
        kept = np.where(self.is_confirmed, self.missed <= self._max_age, ~self.is_lost)
        if not kept.all():
            self.filters.keep(kept)
            self.last = self.last[kept]
            self.hits, self.missed = self.hits[kept], self.missed[kept]
            self.ids, self._rows = self.ids[kept], self._rows[kept]
            self._votes = [votes for votes, stays in zip(self._votes, kept, strict=True) if stays]
        visible = np.flatnonzero(self.is_confirmed & ~self.is_lost)
        visible = visible[np.argsort(self.ids[visible])]
        rows = self._rows[visible]
        labels = [
            max(votes, key=votes.__getitem__) for votes in map(self._votes.__getitem__, visible)
        ]
        return Tracks(
            ids=self.ids[visible],
            boxes=detections.boxes[rows],
            scores=detections.scores[rows],
            labels=np.array(labels, np.int64),
            rows=rows,
        )

    def _vote(self, votes: dict[int, float], detections: Detections, row: int) -> None:
        label = int(detections.labels[row])
        votes[label] = votes.get(label, 0.0) + float(detections.scores[row])
