"""Identities of a detector's objects over the frames of a folder, for `predict`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbench.api.image_files import ImageFiles
from cnnbench.errors import UserError
from cnnbench.models.model import Model
from cnnbench.tasks import tracking
from cnnbench.tasks.detection import Detection
from cnnbench.tasks.detection.outputs import Detected
from cnnbench.tasks.task import TASKS, Arrays, Prediction, Task

if TYPE_CHECKING:
    from cnnbench.data.drawing import AnyMark
    from cnnbench.data.fitting import Placement

OPTION = "--track"
_LEAST_SCORE = 0.01  # trackers have thresholds of their own, and some use low scores


@dataclass(frozen=True)
class Tracked(Prediction):
    """A detected object with its identity.

    Attributes:
        track: number of the object, from 1, the same in all frames.
        detected: class, score and box in this frame.
    """

    track: int
    detected: Detected

    def __str__(self) -> str:
        return f"{f'#{self.track}':>5}  {str(self.detected).strip()}"

    def cells(self) -> dict[str, str]:
        return {"Track": f"#{self.track}", **self.detected.cells()}

    def to_json(self) -> dict[str, Any]:
        return {"track": self.track, **self.detected.to_json()}

    def placed(self, placement: Placement) -> Tracked:
        return replace(self, detected=self.detected.placed(placement))

    def mark(self, number: int) -> AnyMark:
        """Return its box, and mask, in the colour of its identity, whatever ``number`` is."""
        mark = self.detected.mark(self.track - 1)
        return replace(mark, text=f"#{self.track} {self.detected.name}")


def tracker(name: str, model: Model, images: ImageFiles) -> tracking.Tracker:
    """Return the tracker ``name`` for the frames of one sequence.

    Raises:
        UserError: there is no such tracker, the model is no detector, or the images are not several
            frames of one sequence.
    """
    try:
        found = tracking.resolve(name)
    except UserError as error:
        raise UserError(error.what, OPTION, error.hint) from None
    if not isinstance(TASKS.find(model.task), Detection):
        what = f"{model.label} is a network for {model.task}; trackers link the boxes of a detector"
        raise UserError(what, OPTION, "use a detection head, for example +yolo")
    if images.folders and (len(images.folders) > 1 or len(images.of_folders) < len(images.files)):
        hint = "name one folder of frames, or the frames in order"
        raise UserError("the frames of a sequence are in one folder", OPTION, hint)
    if len(images.files) < 2:
        raise UserError("one image is no sequence", OPTION, "name a folder of frames")
    return found


def check_sizes(sizes: Sequence[tuple[Path, tuple[int, int]]]) -> None:
    """Raise `UserError` unless all frames have the same height and width."""
    for file, (height, width) in sizes[1:]:
        first, size = sizes[0]
        if (height, width) != size:
            raise UserError(
                f"frames of one sequence have one size, but {first.name} has {size[1]} x {size[0]} "
                f"px and {file.name} {width} x {height} px",
                OPTION,
            )


def decode(
    task: Task, outputs: Arrays, network: Any, names: Sequence[str]
) -> list[list[Prediction]]:
    """Return all detections of each frame that a tracker may use; ``task`` is a detector's."""
    assert isinstance(task, Detection)
    found = task.decode_all(outputs, network, names, _LEAST_SCORE)
    return [list(frame) for frame in found]


def linked(
    predictions: Sequence[Sequence[Prediction]], tracker: tracking.Tracker, most: int | None
) -> list[list[Prediction]]:
    """Return the objects of each frame that the tracker reports, by ascending identity.

    An object has the class of most of its detections, weighted by their scores.

    Args:
        predictions: what `decode` returns for each frame, in its picture.
        tracker: links them.
        most: number of objects of a frame, those with the highest scores; None for all.
    """
    frames = [[one for one in frame if isinstance(one, Detected)] for frame in predictions]
    names = {one.number: one.name for frame in frames for one in frame}
    tracks = tracking.track([_boxes(frame) for frame in frames], tracker)
    found: list[list[Prediction]] = []
    for frame, visible in zip(frames, tracks, strict=True):
        objects = [
            Tracked(int(track), replace(frame[row], number=int(label), name=names[int(label)]))
            for track, row, label in zip(visible.ids, visible.rows, visible.labels, strict=True)
        ]
        best = sorted(objects, key=lambda one: -one.detected.score)[:most]
        found.append([*sorted(best, key=lambda one: one.track)])
    return found


def _boxes(frame: Sequence[Detected]) -> tracking.Detections:
    """Return the boxes of a frame in px of the picture."""
    boxes = [np.multiply(one.box, 2 * (one.picture or (1, 1))) for one in frame]
    scores, labels = [one.score for one in frame], [one.number for one in frame]
    return tracking.Detections(np.reshape(boxes, (-1, 4)), scores, labels)
