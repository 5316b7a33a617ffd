"""Output of a segmentation network: selected from those of a network, decoded to segments."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnbench.errors import JobFailed, UserError
from cnnbench.models import output_names
from cnnbench.tasks.classification import outputs as of_classes
from cnnbench.tasks.objective import Arrays, single
from cnnbench.tasks.segmentation import BACKGROUND
from cnnbench.tasks.task import Prediction, Shape
from cnnbench.text import shape_text

if TYPE_CHECKING:
    from cnnbench.data.drawing import MaskMark
    from cnnbench.data.fitting import Placement

EXPECTED = (
    "a segmentation network returns maps of scores, (height, width, classes), with the background "
    "as the first class"
)


def path(outputs: Mapping[str, Shape], wanted: str | None, label: str) -> str:
    """Return the path of the maps of scores, the wanted or the first output.

    Raises:
        UserError: there is no such output, or it has no maps.
    """
    found = output_names.select(list(outputs), wanted, label)
    if len(outputs[found]) != 4:
        named = f"'{found}'" if found else "its output"
        has = f"{named} has the shape {shape_text(outputs[found][1:])} for an image"
        raise UserError(f"{label}: {EXPECTED}", hint=has)
    return found


@dataclass(frozen=True)
class ClassMap:
    """The class of every pixel of an image, compressed: a folder can have many images.

    Attributes:
        size: height and width, px.
        data: the bytes of the map, row by row, compressed.
    """

    size: tuple[int, int]
    data: bytes

    @classmethod
    def of(cls, classes: npt.NDArray[np.uint8]) -> ClassMap:
        """Return a map ``(h, w)``, compressed."""
        height, width = classes.shape
        return cls((height, width), zlib.compress(classes.tobytes(), 1))

    def pixels(self) -> npt.NDArray[np.uint8]:
        """Return the map, uint8 ``(h, w)``."""
        return np.frombuffer(zlib.decompress(self.data), np.uint8).reshape(self.size)


@dataclass(frozen=True, eq=False)
class Segment(Prediction):
    """The pixels of one predicted class of an image.

    Attributes:
        number: index of the class, from 0; 0 is the background.
        name: name of the class.
        share: of the pixels that are predicted as the class.
        classes: of all pixels of the network's input, shared by the segments of an image.
        placement: of the picture in the input; None if the input is the picture.
    """

    number: int
    name: str
    share: float
    classes: ClassMap
    placement: Placement | None = None

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """Its pixels in the network's input, bool ``(h, w)``; made anew."""
        found: npt.NDArray[np.bool_] = self.classes.pixels() == self.number
        return found

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Its pixels in the picture, bool ``(h, w)``; made anew, as pictures can be large."""
        return self.seen if self.placement is None else self.placement.mask_back(self.seen)

    def __str__(self) -> str:
        return f"{100 * self.share:5.1f} %  {self.name}"

    def cells(self) -> dict[str, str]:
        return {"Class": self.name, "Share of pixels": f"{100 * self.share:5.1f} %"}

    def to_json(self) -> dict[str, Any]:
        return {"number": self.number, "name": self.name, "share": self.share}

    def placed(self, placement: Placement) -> Segment:
        """Return the segment with its pixels in the original picture.

        The share is that of the part of the picture that the network has seen.
        """
        shown = placement.pixels_back(np.ones(placement.size, np.bool_))
        share = placement.pixels_back(self.seen) / max(1, shown)
        return replace(self, placement=placement, share=share)

    def mark(self, number: int) -> MaskMark | None:
        """Return the mask in the colour of its class, which is the same in all pictures.

        None for the background, and where no pixel is left.
        """
        from cnnbench.data.drawing import MaskMark

        if self.number == 0 or not (mask := self.mask).any():
            return None
        return MaskMark(mask, f"{self.name} {100 * self.share:.1f} %", self.number - 1)


def decode(outputs: Arrays, network: Any, names: Sequence[str], top: int) -> list[list[Prediction]]:
    """Return the ``top`` classes of each image with the most pixels; see `Task.decode`.

    The background comes last. Names may leave it out.
    """
    from cnnbench.tasks.segmentation import SegmentationOptions
    from cnnbench.tasks.segmentation.objective import SegmentationObjective

    given = single(outputs)
    if given.ndim != 4:
        raise JobFailed(EXPECTED)
    count = of_classes.class_count(given.shape[-1])
    if names and len(names) not in (count, count - 1):
        raise JobFailed(f"{len(names)} names, but it has {count} classes")
    known = list(names) if names else [f"class {number}" for number in range(1, count)]
    if len(known) == count - 1:
        known = [BACKGROUND, *known]
    objective = SegmentationObjective(known[1:], "", SegmentationOptions())
    answers = objective.answers(given, of_classes.kind(network, given))
    return [_segments(one, known)[:top] for one in answers]


def _segments(answer: npt.NDArray[np.uint8], names: Sequence[str]) -> list[Prediction]:
    counts = np.bincount(answer.ravel(), minlength=len(names))
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda one: (one == 0, -counts[one], one))
    classes = ClassMap.of(answer)
    return [Segment(one, names[one], float(counts[one] / answer.size), classes) for one in order]
