"""The scenes of a split as annotated pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image

from cnnbench.data import fashion_mnist
from cnnbench.data.annotations import NO_OBJECT, Objects
from cnnbench.data.datasets import Request
from cnnbench.data.fitting import Placement
from cnnbench.data.pictures import Fit, Images, Labels, Size, Splits, sides
from cnnbench.data.scenes import TEST_SCENES, TRAINING_SCENES, Recipe, cache
from cnnbench.data.scenes.cache import Wanted
from cnnbench.data.scenes.generate import Records


def splits(recipe: Recipe, request: Request) -> Splits:
    """Return the scenes that are asked for, as `Scenes.load` does."""
    held = round(TRAINING_SCENES * request.validation)
    available = TRAINING_SCENES - held
    asked = request.train_examples if request.trains else 0
    train, notes = _part(Wanted(recipe, "train", 0, _most(asked, available)), request)
    test, of_test = _part(
        Wanted(recipe, "test", 0, _most(request.test_examples, TEST_SCENES)), request
    )
    validation, of_held = _part(Wanted(recipe, "train", available, held), request)
    return Splits(
        classes=fashion_mnist.CLASSES,
        train=train,
        test=test,
        validation=validation if held else None,
        notes=(*notes, *of_test, *of_held),
    )


def _most(asked: int | None, available: int) -> int:
    return available if asked is None else min(asked, available)


def _part(wanted: Wanted, request: Request) -> tuple[ScenePictures, list[str]]:
    found, notes = cache.scenes(wanted, request.cache)
    return ScenePictures(found), notes


class ScenePictures:
    """Scenes in memory or in a memory map, all of one size.

    Args:
        records: of `generate.layout`.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        objects = self.objects()
        rows = np.arange(len(objects))
        largest = objects.largest()
        labels = np.concatenate([objects.labels, np.full((len(rows), 1), NO_OBJECT)], axis=1)
        self.labels: Labels = labels[rows, largest]  # the last column where there is none

    @property
    def px(self) -> int:
        return int(self._records["image"].shape[1])

    def objects(self) -> Objects:
        """Return the garments of all scenes; masks stay where the records are."""
        labels = self._records["labels"].astype(np.int64)
        most = int((labels != NO_OBJECT).sum(axis=1).max(initial=1))
        count, px = len(labels), self.px
        return Objects(
            labels=labels[:, :most],
            boxes=self._records["boxes"][:, :most].astype(np.float32) / np.float32(px),
            sizes=np.full((count, 2), px, np.int64),
            ignored=np.zeros((count, most), np.bool_),
            instances=np.asarray(self._records["instances"]),
            visible=np.asarray(self._records["visible"])[:, :most],
        )

    def read(self, indices: Labels, size: Size, channels: int) -> Images:
        return self.read_annotated(indices, size, channels, "crop")[0]

    def read_annotated(
        self, indices: Labels, size: Size, channels: int, fit: Fit
    ) -> tuple[Images, Objects]:
        images, objects = np.asarray(self._records["image"]), self.objects()
        if not np.array_equal(indices, np.arange(len(images))):  # all need no copy
            images, objects = images[indices], objects.at(indices)
        placement = Placement.of((self.px, self.px), sides(size), fit)
        if placement.size == placement.picture:
            grey = images[..., None]
            return grey if channels == 1 else np.repeat(grey, channels, axis=3), objects
        fitted = np.empty((len(images), *placement.size, channels), np.uint8)
        for row, image in enumerate(images):
            fitted[row] = placement.image(Image.fromarray(image), channels)
        return fitted, _fitted(objects, placement)


def _fitted(objects: Objects, placement: Placement) -> Objects:
    """Return the objects in fitted images, without those of which less than a tenth is left."""
    assert objects.instances is not None and objects.visible is not None
    count, most = objects.labels.shape
    flat = objects.boxes.reshape(-1, 4)
    kept = placement.kept(flat).reshape(count, most) & (objects.labels != NO_OBJECT)
    order = np.argsort(~kept, axis=1, kind="stable")  # those that are kept come first
    kept_first = np.take_along_axis(kept, order, axis=1)
    boxes = placement.boxes(flat).astype(np.float32).reshape(count, most, 4)
    boxes = np.take_along_axis(boxes, order[..., None], axis=1)

    # The new number of each object, 0 for the ground and for what is left out.
    numbers = np.zeros((count, most + 1), np.uint8)
    np.put_along_axis(numbers[:, 1:], order, np.cumsum(kept_first, axis=1) * kept_first, axis=1)
    instances = np.empty((count, *placement.size), np.uint8)
    for row, mask in enumerate(objects.instances):
        instances[row] = numbers[row][placement.mask(mask)]
    return Objects(
        labels=np.where(kept_first, np.take_along_axis(objects.labels, order, axis=1), NO_OBJECT),
        boxes=boxes * kept_first[..., None],
        sizes=objects.sizes,
        ignored=objects.ignored,
        instances=instances,
        visible=np.take_along_axis(objects.visible, order, axis=1) * kept_first,
        spans=np.tile(np.asarray(placement.span, np.float32), (count, 1)),
    )
