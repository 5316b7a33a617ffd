"""Annotated pictures as their files list them: what every layout of annotations is read into.

No picture is opened here. Boxes are as written; `examination` compares them with the pictures.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnbench.data.folder.layout import TEST, TRAIN, VALIDATION
from cnnbench.errors import shown

if TYPE_CHECKING:
    from cnnbench.data.annotations import Kind
    from cnnbench.data.fitting import Extent
    from cnnbench.data.folder.outlines import Outline

FRACTIONS = (1, 1)  # stated size where coordinates are fractions of the picture

# A picture in several splits belongs to the first of these: what is tested on is not trained on.
PRECEDENCE = (TEST, VALIDATION, TRAIN, "")
_MOST_BARE = 0.1  # of the objects may have no mask where masks are used
_LARGEST = 1e9  # no coordinate of a picture is larger


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One object as it is written.

    Attributes:
        where: its place for messages, as ``annotation 17``.
        name: its class.
        box: top, left, bottom, right, in px of the stated size or as fractions; None for that of
            ``outline``.
        outline: its pixels, or None.
        ignored: neither right nor wrong.
        crowd: several objects in one box.
        value: of its pixels in the label map of the picture; 0 if there is none.
    """

    where: str
    name: str
    box: Extent | None
    outline: Outline | None = None
    ignored: bool = False
    value: int = 0
    crowd: bool = False

    @property
    def has_mask(self) -> bool:
        """Its pixels are known."""
        return self.outline is not None or self.value > 0


@dataclass(frozen=True, slots=True)
class ListedPicture:
    """One picture with its objects.

    Attributes:
        file: the picture.
        source: the file of its annotations, for messages.
        split: ``train``, ``validation``, ``test``, or empty.
        objects: in the order of the file.
        size: height and width that the annotations state; `FRACTIONS` if coordinates are fractions
            of the picture; None if they do not say.
        mask: its label map, or None.
        contents: of a label map of classes: px of each class, by label.
        rejected: number of its objects that could not be read.
    """

    file: Path
    source: str
    split: str = ""
    objects: Sequence[ListedObject] = ()
    size: tuple[int, int] | None = None
    mask: Path | None = None
    contents: Sequence[int] = ()
    rejected: int = 0


@dataclass(frozen=True)
class Listing:
    """An annotated folder as its files list it.

    Attributes:
        layout: its name, for messages.
        looked_at: what was read, for messages: ``instances_train.json``, ``212 files in labels/``.
        classes: their names, by label.
        pictures: each once, every one with a file.
        kinds: what is known of the pictures.
        problems: what cannot be used, a line each: file and reason.
        notes: remarks for the plan and the report.
        values: of the classes in label maps of classes, by label; empty for maps of objects.
        void: the value in label maps of pixels that are neither right nor wrong, or None.
    """

    layout: str
    looked_at: str
    classes: tuple[str, ...]
    pictures: tuple[ListedPicture, ...]
    kinds: frozenset[Kind]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    values: tuple[int, ...] = ()
    void: int | None = None

    @property
    def test_split(self) -> str:
        """The split that is tested on; empty if there are no usable official ones."""
        found = {picture.split for picture in self.pictures}
        tested = next((split for split in (TEST, VALIDATION) if split in found), "")
        return tested if TRAIN in found else ""


@dataclass
class Draft:
    """Pictures and problems that the reader of a layout has found so far."""

    pictures: dict[Path, ListedPicture] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    repeated: int = 0  # pictures in several splits

    def add(self, picture: ListedPicture, shown: str) -> None:
        """Add a picture, or keep what is known of it already; add in the order `PRECEDENCE`."""
        known = self.pictures.setdefault(picture.file, picture)
        if known is picture:
            return
        if known.split != picture.split:
            self.repeated += 1
        else:
            self.problems.append(f"{picture.source}: {shown} is in {known.source} already")

    def notes(self) -> Iterator[str]:
        """Yield remarks: the splits, pictures in none and in several of them."""
        counts = Counter(picture.split for picture in self.pictures.values())
        test = TEST if TEST in counts else VALIDATION
        if TRAIN in counts and test in counts:
            yield f"trained on its split {TRAIN}, tested on its split {test}"
            if counts[""]:
                yield f"{counts['']} pictures in no split: not used"
        if self.repeated:
            yield f"{self.repeated} pictures in several splits: kept out of training"


def by_precedence(pictures: Iterable[ListedPicture]) -> list[ListedPicture]:
    """Return the pictures in the order `PRECEDENCE` of their splits, else in theirs."""
    return sorted(pictures, key=lambda picture: PRECEDENCE.index(picture.split))


def with_masks(
    pictures: Sequence[ListedPicture],
) -> tuple[Sequence[ListedPicture], frozenset[Kind], list[str]]:
    """Return pictures, what is known of them, and remarks: masks count if most objects have one.

    Objects without a mask among them are then ignored: where one is expected, none can be right.
    """
    objects = [one for picture in pictures for one in picture.objects if not one.ignored]
    bare = sum(not one.has_mask for one in objects)
    if bare == len(objects):
        return pictures, frozenset({"boxes"}), []
    count = f"{bare} of {len(objects)} objects have no mask"
    if bare > _MOST_BARE * len(objects):
        return pictures, frozenset({"boxes"}), [f"{count}: masks are not used"]
    if bare:
        pictures = [
            replace(
                picture,
                objects=[
                    replace(one, ignored=one.ignored or not one.has_mask) for one in picture.objects
                ],
            )
            for picture in pictures
        ]
    kinds: frozenset[Kind] = frozenset({"boxes", "instances", "semantic"})
    return pictures, kinds, [f"{count}: ignored"] if bare else []


def class_name(value: Any) -> str:
    """Return the name of a class in one line, as it stands in tables.

    Raises:
        ValueError: it is no text and no number, or empty.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{shown(value)} is not a name")
    try:
        words = str(value).encode("utf-8", "replace").decode().split()
    except ValueError:  # an integer with more digits than Python converts
        words = []
    if not words:
        raise ValueError(f"{shown(value)} is not a name")
    return " ".join(words)


def number(value: Any) -> float:
    """Return a coordinate.

    Raises:
        ValueError: it is text, not finite, or too large.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{shown(value)} is not a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if abs(value) > _LARGEST:
        raise ValueError(f"{shown(value)} is not within any picture")
    return float(value)


def numbers(values: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Return many coordinates, ``(n,)``; raises as `number` does for any of them."""
    if set(map(type, values)) <= {int, float}:
        with contextlib.suppress(OverflowError):
            found = np.array(values, np.float64)
            if (np.abs(found) <= _LARGEST).all():  # not of NaN
                return found
    return np.array([number(value) for value in values])


def number_in(text: str | None) -> float:
    """Return a coordinate from text; raises as `number` does."""
    try:
        value = float(text or "")
    except ValueError:
        raise ValueError(f"{shown(text)} is not a number") from None
    return number(value)
