"""Sheets of examples of a data set, with their boxes, names and masks; changed at random too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from cnnbench.api import sheets
from cnnbench.api.sheets import Sheet
from cnnbench.data import augmentation, datasets, drawing, loading
from cnnbench.data.annotations import IGNORED, NO_OBJECT, Objects
from cnnbench.data.augmentation import Augment
from cnnbench.data.datasets import Request
from cnnbench.data.drawing import Mark
from cnnbench.data.pictures import Images, Part
from cnnbench.errors import UserError
from cnnbench.text import plural

Split = Literal["train", "test"]

_MOST_NAMED = 30  # objects in an image whose names are written; more would hide the image
_VARIANTS = 5  # beside each example, where examples are changed at random


def examples(
    dataset: str,
    count: int,
    split: Split,
    size: int | None,
    data_dir: Path | None,
    augment: Augment | None = None,
) -> Sheet:
    """Return a sheet of examples with boxes, names and masks; see `show`.

    An example without objects has the name of its class below it. With ``augment`` each example
    begins a row of itself and its random variants.
    """
    here = [Path.cwd()]
    try:
        found = datasets.find(dataset, here)
    except UserError as error:
        raise UserError(error.what, f"'{dataset}'", error.hint) from None
    side = size or found.facts.px
    asked = Request(
        dataset, side, 3, train_examples=count, test_examples=count, trains=True, fit="letterbox"
    )
    splits = found.load(asked, data_dir, here)
    pictures = splits.train if split == "train" else splits.test
    chosen = loading.subset(pictures.labels, min(count, len(pictures.labels)))
    if not len(chosen):
        raise UserError(f"{dataset} has no {split} images")
    part = loading.read_part(pictures, chosen, asked)
    what = f"{len(chosen)} {split} images of {dataset}, {side} x {side} px"
    notes = (*splits.notes, *splits.problems)
    if augment is None:
        shown, names = _shown(part, splits.classes)
        return Sheet(drawing.sheet(shown, sheets.columns(len(shown)), names), what, notes)
    versions = [_shown(one, splits.classes) for one in _versions(part, augment)]
    picture = drawing.sheet(*_by_example(versions))
    return Sheet(picture, f"{what}, each with {_VARIANTS} variants", notes)


def variants(images: Images, augment: Augment) -> list[Images]:
    """Return random changes of images ``(n, h, w, c)``, as a classifier's training makes them.

    Raises:
        ValueError: images are not of bytes.
    """
    if images.dtype != np.uint8:
        raise ValueError(f"images of {images.dtype}")
    found = []
    for seed in range(_VARIANTS):
        changed = images.astype(np.float32)
        for layer in augmentation.layers(augment, images.shape[1:3], seed):
            changed = layer(changed, training=True)
        found.append(_bytes(changed))
    return found


def of_images(
    names: Sequence[str], images: Images, augment: Augment | None, notes: Sequence[str] = ()
) -> Sheet:
    """Return a sheet of images; with ``augment`` a row for each: itself and its variants."""
    height, width = images.shape[1:3]
    what = f"{plural(len(images), 'image')}, {height} x {width} px"
    if augment is None:
        shown = sheets.enlarged(images)
        picture = drawing.sheet(shown, sheets.columns(len(shown)), names)
        return Sheet(picture, what, tuple(notes))
    rows = [sheets.enlarged(one) for one in [images, *variants(images, augment)]]
    picture = drawing.sheet(*_by_example([(row, list(names)) for row in rows]))
    return Sheet(picture, f"{what}, each with {_VARIANTS} variants", tuple(notes))


def _versions(part: Part, augment: Augment) -> Iterator[Part]:
    """Yield the examples as they are, then changed at random together with their objects."""
    yield part
    if part.objects is None:
        yield from (replace(part, images=images) for images in variants(part.images, augment))
        return
    for seed in range(_VARIANTS):
        images, arrays = augmentation.changed(
            part.images.astype(np.float32), part.objects.arrays(), augment, (0, seed)
        )
        objects = Objects(**{name: np.asarray(value) for name, value in arrays.items()})
        yield replace(part, images=_bytes(images), objects=objects)


def _bytes(images: npt.ArrayLike) -> Images:
    return np.rint(np.clip(np.asarray(images, np.float32), 0, 255)).astype(np.uint8)


def _by_example(
    versions: Sequence[tuple[list[Image.Image], list[str]]],
) -> tuple[list[Image.Image], int, list[str]]:
    """Return the arguments of a sheet with a row for each example and a column for each version."""
    pictures = [one for row in zip(*(shown for shown, _ in versions), strict=True) for one in row]
    names = versions[0][1]
    captions = [text for name in names for text in (name, *[""] * (len(versions) - 1))]
    return pictures, len(versions), captions


def _shown(part: Part, classes: Sequence[str]) -> tuple[list[Image.Image], list[str]]:
    """Return the pictures of examples with their marks, and their captions if they have any."""
    enlarged = sheets.enlarged(part.images)
    if part.objects is None:
        return enlarged, [classes[label] for label in part.labels]
    marks = _marks(part.objects, classes, enlarged[0].width // part.images.shape[2])
    return [drawing.drawn(*each) for each in zip(enlarged, marks, strict=True)], []


def _marks(objects: Objects, classes: Sequence[str], scale: int) -> Iterator[list[Mark]]:
    """Yield the marks of each image, for pictures that are ``scale`` times as large.

    Colours tell classes apart, or objects if there is only one class, whose name is left out.
    """
    names = classes if len(classes) > 1 else [""]
    for row, labels in enumerate(objects.labels):
        places = np.flatnonzero(labels != NO_OBJECT)
        is_named = len(places) <= _MOST_NAMED
        marks = []
        for place in map(int, places):
            name = names[labels[place]] if is_named else ""
            ignored = " (ignored)" if objects.ignored[row, place] else ""
            number = int(labels[place]) if len(classes) > 1 else place
            box = objects.boxes[row, place].tolist()
            mask = _of_pixels(objects.instances, row, place + 1, scale)
            marks.append(Mark((name + ignored).strip(), number, box, mask))
        if objects.instances is None and objects.semantic is not None:
            found = np.unique(objects.semantic[row])
            for value in map(int, found[(found > 0) & (found != IGNORED)]):
                mask = _of_pixels(objects.semantic, row, value, scale)
                marks.append(Mark(classes[value - 1], value - 1, mask=mask))
        yield marks


def _of_pixels(
    masks: npt.NDArray[np.generic] | None, row: int, value: int, scale: int
) -> npt.NDArray[np.bool_] | None:
    if masks is None:
        return None
    mask: npt.NDArray[np.bool_] = masks[row] == value
    return mask.repeat(scale, axis=0).repeat(scale, axis=1)
