"""`show`: a picture of what a name stands for; of a data set, a sheet of annotated examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from cnnbench import files
from cnnbench.data import datasets, drawing, loading
from cnnbench.data.annotations import IGNORED, NO_OBJECT, Objects
from cnnbench.data.datasets import Request
from cnnbench.data.drawing import Mark
from cnnbench.errors import UserError

Split = Literal["train", "test"]

# Formats that Pillow writes everywhere and that keep colours; PNG is the default.
FORMATS = {
    "": "PNG",
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
_SHOWN_PX = 224  # about the side of an example in a sheet; smaller images are enlarged
_MOST_COLUMNS = 8
_MOST_NAMED = 30  # objects in an image whose names are written; more would hide the image


@dataclass(frozen=True)
class Sheet:
    """A picture to look at.

    Attributes:
        picture: what is shown.
        caption: what it is, in one line.
        notes: remarks on how it was made, and files that could not be used.
    """

    picture: Image.Image
    caption: str
    notes: tuple[str, ...] = ()


def show(
    dataset: str,
    out: Path | str,
    *,
    count: int = 16,
    split: Split = "train",
    size: int | None = None,
    data_dir: Path | str | None = None,
) -> Sheet:
    """Write a sheet of annotated examples of a data set to a picture file, and return it.

    Args:
        dataset: a name as in a suite: ``scenes``, ``fashion_mnist``, ``folder:PATH``.
        out: the picture file, in an existing folder; its ending says the format, PNG without one.
        count: number of examples; all if there are fewer.
        split: of the data set.
        size: side in px to which the examples are fitted; by default that of the data set.
        data_dir: folder with ``keras/`` and ``tensorflow_datasets/``; by default that of
            ``CNNBENCH_DATA``.

    Raises:
        UserError: no such data set, or a file that cannot be written.
        Unavailable: the data is missing and cannot be downloaded.
        JobFailed: the data cannot be used.
    """
    file = Path(out)
    picture_format = _checked_format(file)
    found = examples(dataset, count, split, size, files.data_folder(data_dir))
    drawing.write(found.picture, file, picture_format, "choose a smaller --count")
    return found


def examples(
    dataset: str, count: int, split: Split, size: int | None, data_dir: Path | None
) -> Sheet:
    """Return a sheet of examples with boxes, names and masks; see `show`.

    An example without objects has the name of its class below it.
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
    enlarged = _enlarged(part.images)
    if part.objects is None:
        names = [splits.classes[label] for label in part.labels]
        shown = enlarged
    else:
        names = []
        scale = enlarged[0].width // side
        marks = _marks(part.objects, splits.classes, scale)
        shown = [drawing.drawn(*each) for each in zip(enlarged, marks, strict=True)]
    return Sheet(
        drawing.sheet(shown, _columns(len(shown)), names),
        f"{len(chosen)} {split} images of {dataset}, {side} x {side} px",
        (*splits.notes, *splits.problems),
    )


def _enlarged(images: npt.NDArray[np.uint8]) -> list[Image.Image]:
    """Return pictures of a whole multiple of the size, so that single pixels remain visible."""
    scale = max(1, _SHOWN_PX // max(images.shape[1:3]))
    pictures = map(Image.fromarray, images)
    nearest = Image.Resampling.NEAREST
    return [one.resize((scale * one.width, scale * one.height), nearest) for one in pictures]


def _columns(count: int) -> int:
    """Return the columns of a sheet about as high as wide."""
    return min(_MOST_COLUMNS, next(side for side in range(1, count + 1) if side**2 >= count))


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


def _checked_format(file: Path) -> str:
    """Return the format to write; checked before a data set is read, which takes long.

    Raises:
        UserError: it is unknown, or the folder does not exist.
    """
    if files.check_path(file.is_dir):
        raise UserError("is a folder", str(file), "name a picture file")
    if not files.check_path(file.parent.is_dir):
        raise UserError(f"the folder {file.parent} does not exist", str(file), "create it first")
    found = FORMATS.get(file.suffix.lower())
    if found is None:
        known = ", ".join(filter(None, FORMATS))
        raise UserError(f"unknown type of picture '{file.suffix}'", str(file), f"one of: {known}")
    return found
