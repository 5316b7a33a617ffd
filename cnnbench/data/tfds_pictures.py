"""Pictures of a TFDS split with the objects in them, decoded when they are read.

Nothing of a picture stays in memory: COCO's training images alone are 19 GB. The annotations of a
split are read once; to read pictures, the records are gone through again up to the last one wanted.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import batched
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from cnnbench.data import annotations
from cnnbench.data.annotations import NO_OBJECT, Objects
from cnnbench.data.fitting import Placement
from cnnbench.data.pictures import Fit, Images, Labels, Size, sides
from cnnbench.errors import JobFailed, brief, is_out_of_memory

_THREADS = 4  # Pillow releases the GIL while it decodes and resizes
_AT_ONCE = 64  # encoded pictures in memory

Example = Mapping[str, Any]


@dataclass(frozen=True)
class Marks:
    """What is known of one picture, in fractions of the picture as it is stored.

    Attributes:
        labels: class of each object, int64 ``(k,)``.
        boxes: float ``(k, 4)``: top, left, bottom, right.
        ignored: bool ``(k,)``.
        semantic: uint8 ``(H, W)``, as `Objects.semantic`; None if unknown.
        problems: reasons for objects that were left out.
    """

    labels: Labels
    boxes: npt.NDArray[Any]
    ignored: npt.NDArray[np.bool_]
    semantic: npt.NDArray[np.uint8] | None = None
    problems: tuple[str, ...] = ()


class Reader(Protocol):
    """Knows the features of a data set.

    Attributes:
        name_feature: the name of a picture's file.
        notes: features that `label` needs, as `tfds.decode.PartialDecoding` takes them.
        marks: features that `read` needs, besides the image.
        encoded: those of them that are images.
    """

    name_feature: str
    first: Mapping[str, Any]
    later: Mapping[str, Any]
    encoded: tuple[str, ...]

    def label(self, example: Example) -> tuple[int, tuple[str, ...]]:
        """Return the label of the largest object, or `NO_OBJECT`, and problems."""

    def marks(self, example: Example) -> Marks:
        """Return what is known of a picture."""
