"""Marks for example pictures: from labels, boxes and masks, as objectives have them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cnnbench.data.annotations import IGNORED, NO_OBJECT
from cnnbench.data.drawing import AnyMark, Mark, MaskMark


def of_boxes(
    labels: npt.NDArray[np.int64],
    boxes: npt.NDArray[np.floating],
    classes: Sequence[str],
    scores: npt.NDArray[np.floating] | None = None,
    masks: Sequence[npt.NDArray[np.bool_]] | None = None,
) -> list[AnyMark]:
    """Return the marks of the objects of one image.

    Colours tell classes apart, or objects if there is only one class, whose name is left out.

    Args:
        labels: class of each, ``(k,)``; rows of `NO_OBJECT` are left out.
        boxes: ``(k, 4)``: top, left, bottom, right as fractions of the image.
        classes: names, by label.
        scores: ``(k,)``, added to the names.
        masks: of each object, bool ``(h, w)`` of the image.
    """
    found: list[AnyMark] = []
    is_single = len(classes) == 1
    for row in map(int, np.flatnonzero(labels != NO_OBJECT)):
        label = int(labels[row])
        name = "" if is_single else name_of(label, classes)
        text = name if scores is None else f"{name} {scores[row]:.2f}".strip()
        number, box = (row if is_single else label), boxes[row].tolist()
        found.append(
            Mark(text, number, box) if masks is None else MaskMark(masks[row], text, number, box)
        )
    return found


def of_pixels(semantic: npt.NDArray[np.uint8], classes: Sequence[str]) -> list[AnyMark]:
    """Return one mark for each class in one image; ground and ignored pixels have none.

    Args:
        semantic: as `annotations.Objects.semantic`, of one image, ``(h, w)``.
        classes: names, by label, without the ground.
    """
    values = np.unique(semantic)
    return [
        MaskMark(semantic == value, name_of(value - 1, classes), value - 1)
        for value in map(int, values[(values != 0) & (values != IGNORED)])
    ]


def name_of(label: int, classes: Sequence[str]) -> str:
    """Return the name of a class, or its number where it has none."""
    return classes[label] if 0 <= label < len(classes) else f"class {label}"
