"""Read annotated pictures of a folder at one size, with their boxes and masks."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from cnnbench.data.annotations import IGNORED, Kind, Objects, of_lists
from cnnbench.data.fitting import Boxes, Placement
from cnnbench.data.folder.examination import AnnotatedPicture
from cnnbench.data.folder.masks import label_map
from cnnbench.data.photographs import Photographs
from cnnbench.data.pictures import Fit, Images, Labels, Size, sides
from cnnbench.data.tones import Picture

_THREADS = 4  # Pillow releases the GIL while it decodes and resizes
_LARGEST_SMALL = 255  # number of an object in 8 bits

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Fitted:
    """One picture at the size that was asked for."""

    image: Images
    kept: npt.NDArray[np.bool_]
    boxes: Boxes
    instances: npt.NDArray[np.uint16] | None
    semantic: npt.NDArray[np.uint8] | None
    span: tuple[float, float]


class AnnotatedPhotographs:
    """Annotated pictures in files: `pictures.AnnotatedPictures`.

    Args:
        pictures: those that can be used.
        kinds: what is known of them.
        values: of the classes in label maps of classes, by label; empty otherwise.
        void: the value in label maps of pixels that are neither right nor wrong, or None.
        white: the value of white in pictures of more than 8 bits.
    """

    def __init__(
        self,
        pictures: Sequence[AnnotatedPicture],
        kinds: frozenset[Kind],
        values: Sequence[int] = (),
        void: int | None = None,
        white: int | None = None,
    ) -> None:
        self._pictures = pictures
        self._kinds, self._values, self._void, self._white = kinds, values, void, white
        self.labels: Labels = np.array([one.label for one in pictures], np.int64)

    def read(self, indices: Labels, size: Size, channels: int) -> Images:
        files = [one.listed.file for one in self._pictures]
        return Photographs(files, self.labels, self._white).read(indices, size, channels)

    def read_annotated(
        self, indices: Labels, size: Size, channels: int, fit: Fit
    ) -> tuple[Images, Objects]:
        height, width = sides(size)
        chosen = [self._pictures[index] for index in indices]

        def one(picture: AnnotatedPicture) -> _Fitted:
            return self._fitted(picture, (height, width), channels, fit)

        images = np.empty((len(chosen), height, width, channels), np.uint8)
        masks = self._empty_masks((len(chosen), height, width))
        kept: list[npt.NDArray[np.bool_]] = []
        boxes: list[Boxes] = []
        spans = np.empty((len(chosen), 2), np.float32)
        with ThreadPoolExecutor(_THREADS) as pool:
            for place, fitted in enumerate(pool.map(one, chosen)):
                images[place] = fitted.image
                kept.append(fitted.kept)
                boxes.append(fitted.boxes)
                spans[place] = fitted.span
                for name, mask in masks.items():
                    mask[place] = getattr(fitted, name)
        instances = masks.get("instances")
        if instances is not None and (instances.max(initial=0) <= _LARGEST_SMALL):
            masks["instances"] = instances.astype(np.uint8)
        pairs = list(zip(chosen, kept, strict=True))
        objects = of_lists(
            [picture.labels[rows].tolist() for picture, rows in pairs],
            boxes,
            [picture.size for picture in chosen],
            [picture.ignored[rows].tolist() for picture, rows in pairs],
            [picture.crowd[rows].tolist() for picture, rows in pairs],
            spans=spans,
            **masks,
        )
        return images, objects

    def _empty_masks(self, shape: tuple[int, int, int]) -> dict[str, npt.NDArray[Any]]:
        masks: dict[str, npt.NDArray[Any]] = {}
        if "instances" in self._kinds:
            masks["instances"] = np.empty(shape, np.uint16)
        if "semantic" in self._kinds:
            masks["semantic"] = np.empty(shape, np.uint8)
        return masks

    def _fitted(
        self, picture: AnnotatedPicture, size: tuple[int, int], channels: int, fit: Fit
    ) -> _Fitted:
        placement = Placement.of(picture.size, size, fit)
        with Image.open(picture.listed.file) as opened:
            opened.draft("RGB", (max(size), max(size)))  # a large JPEG at a fraction of its size
            image = placement.image(Picture(opened).eight_bits(self._white), channels)
        kept = placement.kept(picture.boxes)
        instances, semantic = None, None
        if "instances" in self._kinds:
            numbers = self._numbered(picture, placement)
            rows = np.zeros(len(kept) + 2, np.int64)  # the last is the void
            rows[1:-1][kept] = 1 + np.arange(kept.sum())
            instances = rows[numbers].astype(np.uint16)
            pixels = np.where(picture.ignored, IGNORED, 1 + picture.labels)
            of_number = np.concatenate([[0], pixels, [IGNORED]])
            semantic = self._outside(of_number[numbers], placement)
        elif "semantic" in self._kinds:
            semantic = self._outside(self._classes(picture, placement), placement)
        boxes = placement.boxes(picture.boxes)[kept]
        return _Fitted(image, kept, boxes, instances, semantic, placement.span)

    def _numbered(self, picture: AnnotatedPicture, placement: Placement) -> Numbers:
        """Return the number of the object at each pixel, ``(h, w)``: 0 for the ground.

        Objects count from 1 in the order of ``picture.boxes``; one more is the void.
        """
        void = len(picture.values) + 1
        if picture.listed.mask is not None:
            values = placement.mask(label_map(picture.listed.mask))
            table = np.full(max(int(values.max()), *picture.values, 0) + 1, void, np.int64)
            table[0] = 0
            table[list(picture.values)] = 1 + np.arange(len(picture.values))
            return np.asarray(table[values], np.int64)
        numbers = np.zeros(placement.size, np.int64)
        for index in picture.from_below():
            if (outline := picture.outlines[index]) is not None:
                numbers[outline.drawn(placement, picture.unit)] = index + 1
        return numbers

    def _classes(self, picture: AnnotatedPicture, placement: Placement) -> Numbers:
        """Return 0, 1 + label or `IGNORED` at each pixel, from a label map of classes."""
        assert picture.listed.mask is not None  # every picture of such a set has one
        values = placement.mask(label_map(picture.listed.mask))
        table = np.full(max(int(values.max()), *self._values, 0) + 1, IGNORED, np.int64)
        table[0] = 0
        table[list(self._values)] = 1 + np.arange(len(self._values))
        if self._void is not None and self._void < len(table):
            table[self._void] = IGNORED
        return np.asarray(table[values], np.int64)

    @staticmethod
    def _outside(values: Numbers, placement: Placement) -> npt.NDArray[np.uint8]:
        """Return classes of pixels with the grey beside a letterboxed picture ignored."""
        top, left, bottom, right = placement.target
        semantic = np.full(placement.size, IGNORED, np.uint8)
        semantic[top:bottom, left:right] = values[top:bottom, left:right]
        return semantic
