"""Annotators: the meaning of the features of each TFDS data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnbench.data.annotations import IGNORED, NO_OBJECT, of_lists
from cnnbench.data.tfds_annotated.pictures import Example, Marks

_CROWD = "is_crowd"
_ANIMAL, _GROUND = 1, 2  # in a trimap; the rest is the border of an animal


class Boxes:
    """Annotations of `Boxed`."""

    file_name = "image/filename"
    masks: tuple[str, ...] = ()

    def __init__(self, flag: str, classes: int) -> None:
        self._flag, self._classes = flag, classes
        self.features: Mapping[str, Any] = {"objects": {"label": True, "bbox": True, flag: True}}

    def label(self, example: Example) -> tuple[int, tuple[str, ...]]:
        marks = self.marks(example)
        of_one = of_lists(
            [marks.labels.tolist()], [marks.boxes], [(1, 1)], [marks.ignored.tolist()]
        )
        row = int(of_one.largest()[0])
        return NO_OBJECT if row < 0 else int(marks.labels[row]), marks.problems

    def marks(self, example: Example) -> Marks:
        objects = example["objects"]
        labels = np.asarray(objects["label"], np.int64)
        boxes, problems = np.asarray(objects["bbox"], np.float64).reshape(-1, 4), []
        kept = np.ones(len(labels), np.bool_)
        for row, (label, box) in enumerate(zip(labels, boxes, strict=True)):
            if reason := self._unusable(int(label), box):
                kept[row] = False
                problems.append(f"object {row + 1}: {reason}")
        ignored = np.asarray(objects[self._flag], np.bool_)[kept]
        crowd = ignored if self._flag == _CROWD else None
        return Marks(labels[kept], boxes[kept], ignored, None, tuple(problems), crowd)

    def _unusable(self, label: int, box: npt.NDArray[np.float64]) -> str:
        if not 0 <= label < self._classes:
            return "no class" if label < 0 else f"class {label} of {self._classes}"
        return "" if _has_area(box) else "a box of no area"


class Heads:
    """The breed of a pet and the box of its head; none in most test images."""

    file_name = "file_name"
    masks: tuple[str, ...] = ("segmentation_mask",)
    features: Mapping[str, Any] = {"label": True, "head_bbox": True}

    def label(self, example: Example) -> tuple[int, tuple[str, ...]]:
        if not _has_area(example["head_bbox"]):
            return NO_OBJECT, ("no box of the head",)
        return int(example["label"]), ()

    def marks(self, example: Example) -> Marks:
        return _of_pet(example, np.asarray(example["head_bbox"], np.float64), _trimap(example))


class Trimaps:
    """The breed of a pet and the box of its pixels."""

    file_name = "file_name"
    masks: tuple[str, ...] = ("segmentation_mask",)
    features: Mapping[str, Any] = {"label": True}

    def label(self, example: Example) -> tuple[int, tuple[str, ...]]:
        return int(example["label"]), ()

    def marks(self, example: Example) -> Marks:
        trimap = _trimap(example)
        box = np.zeros(4)
        for axis, side in enumerate(trimap.shape):
            places = np.flatnonzero((trimap == _ANIMAL).any(axis=1 - axis))
            if places.size:
                box[[axis, 2 + axis]] = places[0] / side, (places[-1] + 1) / side
        return _of_pet(example, box, trimap)


def _of_pet(example: Example, box: npt.NDArray[np.float64], trimap: npt.NDArray[Any]) -> Marks:
    label, count = int(example["label"]), int(_has_area(box))
    semantic = np.full(trimap.shape, IGNORED, np.uint8)
    semantic[trimap == _GROUND] = 0
    semantic[trimap == _ANIMAL] = 1 + label
    labels, boxes = np.full(count, label, np.int64), np.reshape(box, (1, 4))[:count]
    return Marks(labels, boxes, np.zeros(count, np.bool_), semantic)


def _trimap(example: Example) -> npt.NDArray[Any]:
    """Decode a trimap as TFDS does."""
    import tensorflow as tf

    return tf.io.decode_image(example["segmentation_mask"], channels=1).numpy()[..., 0]


def _has_area(box: npt.ArrayLike) -> bool:
    top, left, bottom, right = np.asarray(box, np.float64)
    return bool(bottom > top and right > left)
