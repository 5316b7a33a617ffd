"""Compare annotations with the pictures they are of: which pictures and objects can be used.

Coordinates refer to the upright picture, as a viewer shows it after following the EXIF orientation.
Where the annotations state a size of another shape, the picture is not the one that was annotated,
or was annotated lying on its side; it cannot be used. A picture of another size and the same shape
was scaled afterwards, and its objects are scaled with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.data.fitting import Extent
from cnnbench.data.folder.listing import FRACTIONS, ListedObject, ListedPicture
from cnnbench.data.folder.masks import label_map
from cnnbench.data.folder.outlines import Outline
from cnnbench.data.photographs import fitted
from cnnbench.data.tones import Picture, Tones
from cnnbench.errors import brief, is_out_of_memory

_SAME_SHAPE = 0.01  # relative difference of aspect ratios that rounding can make
_BEYOND = 1.0  # px by which a box may reach beyond its picture without a word


@dataclass(frozen=True, eq=False)
class AnnotatedPicture:
    """A picture that can be used, with the objects that can be.

    Attributes:
        listed: as it was listed.
        size: height and width of the upright picture, in px.
        tones: what affects how its set is read.
        digest: hash of its bytes.
        labels: ``(k,)``.
        boxes: ``(k, 4)``: top, left, bottom, right as fractions of the picture.
        ignored, crowd: ``(k,)``.
        outlines: of each object, or None.
        values: of each object in the label map, or 0.
        unit: height and width that the coordinates of outlines refer to.
        is_scaled: it has another size than the annotations state.
    """

    listed: ListedPicture
    size: tuple[int, int]
    tones: Tones
    digest: str
    labels: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float64]
    ignored: npt.NDArray[np.bool_]
    crowd: npt.NDArray[np.bool_]
    outlines: tuple[Outline | None, ...]
    values: tuple[int, ...]
    unit: tuple[int, int]
    is_scaled: bool

    @property
    def label(self) -> int:
        """The label of its largest object, or of the class with most px; -1 if there is none.

        An object that is ignored counts only if there is no other.
        """
        if sum(self.listed.contents):
            return int(np.argmax(self.listed.contents))
        if not len(self.labels):
            return NO_OBJECT
        height, width = (self.boxes[:, 2 + axis] - self.boxes[:, axis] for axis in (0, 1))
        return int(self.labels[np.argmax(height * width - 2.0 * self.ignored)])

    def from_below(self) -> list[int]:
        """Return the rows in the order in which masks are drawn: the smallest box is on top."""
        height, width = (self.boxes[:, 2 + axis] - self.boxes[:, axis] for axis in (0, 1))
        return [int(row) for row in np.argsort(-height * width, kind="stable")]


def examined(
    listed: ListedPicture, labels: Mapping[str, int], shown: str
) -> tuple[AnnotatedPicture | None, list[str]]:
    """Return a picture with its usable objects, or None, and what cannot be used.

    Args:
        listed: the picture as it was listed.
        labels: class -> label.
        shown: its path for messages.
    """
    try:
        size, tones, digest, is_turned = _opened(listed.file)
        if listed.mask is not None:
            _check_map(listed.mask, size)
        _check_shape(listed, size, is_turned)
    except UnidentifiedImageError:
        return None, [f"{shown}: not an image"]
    except _Unusable as error:
        return None, [f"{shown}: {error}"]
    except Exception as error:  # Pillow's readers can raise anything
        if is_out_of_memory(error):
            raise
        return None, [f"{shown}: unreadable ({brief(error, 200)})"]
    unit = listed.size or size
    usable, problems = _usable(listed, unit, size)
    if (written := len(listed.objects) + listed.rejected) and not usable:
        return None, [*problems, f"{shown}: none of its {written} objects is usable"]
    objects = [one for one, _ in usable]
    return AnnotatedPicture(
        listed=listed,
        size=size,
        tones=tones,
        digest=digest,
        labels=np.array([labels[one.name] for one in objects], np.int64),
        boxes=np.array([box for _, box in usable], np.float64).reshape(-1, 4),
        ignored=np.array([one.ignored for one in objects], np.bool_),
        crowd=np.array([one.crowd for one in objects], np.bool_),
        outlines=tuple(one.outline for one in objects),
        values=tuple(one.value for one in objects),
        unit=unit,
        is_scaled=unit not in (FRACTIONS, size),
    ), problems


class _Unusable(ValueError):
    """A picture that is not the one that was annotated."""


def _opened(file: Path) -> tuple[tuple[int, int], Tones, str, bool]:
    """Return upright size, tones, hash of the bytes, and whether it is stored on its side."""
    with Image.open(file) as opened:
        stored = opened.size
        picture = Picture(opened)
        tones = picture.tones()
        upright = picture.eight_bits()
        for channels in (1, 3):  # as it will be read
            fitted(upright, 8, 8, channels)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return (upright.height, upright.width), tones, digest, upright.size != stored


def _check_shape(listed: ListedPicture, size: tuple[int, int], is_turned: bool) -> None:
    """Raise `_Unusable` if the annotations state a size of another shape."""
    stated = listed.size
    if stated is None or stated in (FRACTIONS, size):
        return
    height, width = stated
    if abs(np.log(width / height * size[0] / size[1])) <= _SAME_SHAPE:
        return
    why = "; annotated on its side, without its EXIF orientation" * (
        is_turned and (width, height) == size
    )
    raise _Unusable(
        f"{size[1]} x {size[0]} px, but {listed.source} is for {width} x {height} px{why}"
    )


def _check_map(mask: Path, size: tuple[int, int]) -> None:
    try:
        height, width = label_map(mask).shape
    except Exception as error:  # Pillow's readers can raise anything
        if is_out_of_memory(error):
            raise
        raise _Unusable(f"its label map {mask.name} is unreadable ({brief(error, 200)})") from None
    if (height, width) != size:
        raise _Unusable(
            f"{size[1]} x {size[0]} px, but its label map {mask.name} has {width} x {height} px"
        )


def _usable(
    listed: ListedPicture, unit: tuple[int, int], size: tuple[int, int]
) -> tuple[list[tuple[ListedObject, Extent]], list[str]]:
    """Return the usable objects, each with its box as fractions, and what is wrong with others."""
    found: list[tuple[ListedObject, Extent]] = []
    problems = []
    seen = set()
    units, pixels = np.tile(unit, 2), np.tile(size, 2)
    for one in listed.objects:
        where = f"{listed.source}: {one.where}"
        box = one.box or (one.outline.extent() if one.outline else None)
        if box is None or not (box[0] < box[2] and box[1] < box[3]):
            problems.append(f"{where}: a box of no area")
            continue
        fractions = np.array(box) / units
        clipped = np.clip(fractions, 0.0, 1.0)
        if not (clipped[0] < clipped[2] and clipped[1] < clipped[3]):
            problems.append(f"{where}: a box outside the picture")
            continue
        key = one.name, one.ignored, *np.round(fractions * pixels, 2).tolist(), one.value
        if key in seen:
            problems.append(f"{where}: doubled, the same class and box as before")
            continue
        seen.add(key)
        if (np.abs(fractions - clipped) * pixels).max() > _BEYOND:
            problems.append(f"{where}: a box beyond the edge of the picture: clipped")
        top, left, bottom, right = clipped.tolist()
        found.append((one, (top, left, bottom, right)))
    return found, problems


def distinct(
    pictures: Sequence[AnnotatedPicture], shown: Mapping[Path, str]
) -> tuple[list[AnnotatedPicture], list[str]]:
    """Return the pictures without copies, in their order, and a line for each copy."""
    chosen: dict[str, AnnotatedPicture] = {}
    problems = []
    for one in pictures:
        if (twin := chosen.setdefault(one.digest, one)) is not one:
            copy, first = shown[one.listed.file], shown[twin.listed.file]
            problems.append(f"{copy}: duplicate of {first}")
    return list(chosen.values()), problems
