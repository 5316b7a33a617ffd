"""Interface of trackers: detections of each frame in, the tracks visible in it out.

A tracker is a class of settings, with one line in `TRACKERS`; another package adds one by an entry
point of the group ``cnnbench.trackers``. It is named like a model: ``sort[max_age=10]``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from cnnbench import named
from cnnbench.errors import UserError, nearest_or_all
from cnnbench.plugins import Registry
from cnnbench.schema import StrictModel
from cnnbench.text import pydantic_message

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Detections:
    """The detections of one frame.

    Args:
        boxes: ``(k, 4)``: top, left, bottom, right; in px or as fractions of the frame, in the same
            unit in all frames.
        scores: between 0 and 1, ``(k,)``; by default all 1.
        labels: class of each, ``(k,)``; by default all 0. Trackers link boxes of any class.

    Raises:
        ValueError: the three differ in number, or a number is not finite.
    """

    def __init__(
        self,
        boxes: npt.ArrayLike,
        scores: npt.ArrayLike | None = None,
        labels: npt.ArrayLike | None = None,
    ) -> None:
        self.boxes: Floats = np.asarray(boxes, np.float64).reshape(-1, 4)
        count = len(self.boxes)
        self.scores: Floats = np.asarray(np.ones(count) if scores is None else scores, np.float64)
        self.labels: Ints = np.asarray(np.zeros(count) if labels is None else labels, np.int64)
        if not self.scores.shape == self.labels.shape == (count,):
            raise ValueError("boxes, scores and labels of a frame differ in number")
        if not (np.isfinite(self.boxes).all() and np.isfinite(self.scores).all()):
            raise ValueError("a box or a score is not a finite number")

    def __len__(self) -> int:
        return len(self.boxes)


class Tracks:
    """The tracks that are visible in one frame, or its true objects.

    Args:
        ids: identity of each, ``(m,)``. Trackers number from 1, use no number twice in a sequence,
            and return tracks by ascending id.
        boxes: of the detection that continues each track, ``(m, 4)``, in their unit.
        scores: of that detection, ``(m,)``; by default all 1.
        labels: class of each track, ``(m,)``: the one with the largest sum of scores so far; by
            default all 0.
        rows: index of that detection among those of the frame, ``(m,)``; by default 0, 1, ...

    Raises:
        ValueError: they differ in number.
    """

    def __init__(
        self,
        ids: npt.ArrayLike = (),
        boxes: npt.ArrayLike = (),
        scores: npt.ArrayLike | None = None,
        labels: npt.ArrayLike | None = None,
        rows: npt.ArrayLike | None = None,
    ) -> None:
        self.ids: Ints = np.asarray(ids, np.int64)
        self.boxes: Floats = np.asarray(boxes, np.float64).reshape(-1, 4)
        count = len(self.ids)
        self.scores: Floats = np.asarray(np.ones(count) if scores is None else scores, np.float64)
        self.labels: Ints = np.asarray(np.zeros(count) if labels is None else labels, np.int64)
        self.rows: Ints = np.asarray(np.arange(count) if rows is None else rows, np.int64)
        shapes = [one.shape for one in (self.boxes[:, 0], self.scores, self.labels, self.rows)]
        if shapes != [(count,)] * 4:
            raise ValueError("ids, boxes, scores, labels and rows of a frame differ in number")

    def __len__(self) -> int:
        return len(self.ids)


class Linker(Protocol):
    """The state of a tracker within one sequence."""

    def update(self, detections: Detections) -> Tracks:
        """Return the tracks visible in the next frame."""


class Tracker(Protocol):
    """A tracker with its settings: a frozen `schema.StrictModel` whose fields have defaults."""

    def start(self) -> Linker:
        """Return a linker for a new sequence."""


TRACKERS: Registry[type[Any]] = Registry(
    "cnnbench.trackers",
    "tracker",
    {
        "sort": "cnnbench.tasks.tracking.sort:Sort",
        "bytetrack": "cnnbench.tasks.tracking.bytetrack:ByteTrack",
    },
)
"""Name of each tracker -> its class, a `Tracker`."""


def resolve(name: str) -> Tracker:
    """Return the tracker that ``name`` names: ``sort``, ``bytetrack[high=0.4,max_age=10]``.

    Raises:
        UserError: there is no such tracker, or it does not take a parameter or its value.
    """
    written = named.parse(name, "tracker", "sort[max_age=10]")
    made: type[StrictModel] = TRACKERS.find(written.name)
    for key, _ in written.parameters:
        if key not in made.model_fields:
            hint = nearest_or_all(key, made.model_fields)
            raise UserError(f"{written.name} has no parameter '{key}'", hint=hint)
    try:
        found: Any = made(**dict(written.parameters))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        message = pydantic_message(error)
        raise UserError(f"{place} of {written.name}: {message}" if place else message) from None
    tracker: Tracker = found
    return tracker


def track(frames: Iterable[Detections], tracker: str | Tracker = "sort") -> list[Tracks]:
    """Return the tracks visible in each frame of a sequence.

    Args:
        frames: the detections of each frame, in order.
        tracker: its name, as `resolve` takes it, or itself.

    Raises:
        UserError: the name is wrong.

    Example:
        >>> frames = [Detections([[10, 10 + x, 30, 30 + x]]) for x in range(3)]
        >>> [tracks.ids.tolist() for tracks in track(frames, "sort[min_hits=1]")]
        [[1], [1], [1]]
    """
    linker = (resolve(tracker) if isinstance(tracker, str) else tracker).start()
    return [linker.update(detections) for detections in frames]
