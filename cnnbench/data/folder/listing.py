"""Annotated pictures as their files list them: what every layout of annotations is read into.

No picture is opened here. Boxes are as written; `examination` compares them with the pictures.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnbench import files
from cnnbench.data.folder.layout import SPLITS, TEST, TRAIN, VALIDATION
from cnnbench.errors import shown

if TYPE_CHECKING:
    from cnnbench.data.annotations import Kind
    from cnnbench.data.fitting import Extent
    from cnnbench.data.folder.outlines import Outline

PICTURES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
FRACTIONS = (1, 1)  # stated size where coordinates are fractions of the picture

# A picture in several splits belongs to the first of these: what is tested on is not trained on.
PRECEDENCE = (TEST, VALIDATION, TRAIN, "")
_ROLES = SPLITS | {"trainval": TRAIN}
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
        value: of its pixels in the label map of the picture; 0 if there is none.
    """

    where: str
    name: str
    box: Extent | None
    outline: Outline | None = None
    ignored: bool = False
    value: int = 0

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
    """

    file: Path
    source: str
    split: str = ""
    objects: Sequence[ListedObject] = ()
    size: tuple[int, int] | None = None
    mask: Path | None = None
    contents: Sequence[int] = ()


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
    """What a reader of one layout collects."""

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
        """Yield remarks: the splits, pictures in several of them, pictures without objects."""
        counts = Counter(picture.split for picture in self.pictures.values())
        if TRAIN in counts and len(counts) > 1:
            test = TEST if TEST in counts else VALIDATION
            yield f"trained on its split {TRAIN}, tested on its split {test}"
            if counts[""]:
                yield f"{counts['']} pictures in no split: not used"
        if self.repeated:
            yield f"{self.repeated} pictures in several splits: kept out of training"


class FolderFiles:
    """The files of a folder, found by names that annotations give.

    Names are looked up in the list of files, so that none can lead out of the folder.
    """

    def __init__(self, folder: Path) -> None:
        tree = files.tree(folder)
        self.folder = folder
        self.odd = tree.odd
        self.paths = {path.relative_to(folder).as_posix(): path for path in tree.files}
        self._ends: dict[str, list[str]] = defaultdict(list)
        for name in self.paths:
            self._ends[posixpath.basename(name)].append(name)

    def shown(self, path: Path) -> str:
        """Return a path for messages, relative to the folder."""
        return path.relative_to(self.folder).as_posix()

    def problems(self) -> list[str]:
        """Return the paths that are not usable files, with the reason; empty folders are fine."""
        odd = sorted(self.odd.items())
        return [f"{self.shown(path)}: {what}" for path, what in odd if what != "an empty folder"]

    def picture(self, name: str, bases: Iterable[str]) -> Path:
        """Return the picture ``name``, relative to one of ``bases``, or the only one of that name.

        Args:
            name: as an annotation gives it.
            bases: folders relative to this one, tried in this order.

        Raises:
            ValueError: it leads out of the folder, or there is no such picture, or several.
        """
        written = name.replace("\\", "/")
        if written.startswith("/") or re.match("[A-Za-z]:", written):
            raise ValueError(f"{shown(name)} is not a path within the folder")
        inside = False
        for base in bases:
            full = posixpath.normpath(posixpath.join(base, written))
            inside |= full != ".." and not full.startswith("../")
            if full in self.paths:
                return self.paths[full]
        if not inside:
            raise ValueError(f"{shown(name)} leads out of the folder")
        tail = posixpath.normpath(written)
        same = [
            full
            for full in self._ends[posixpath.basename(tail)]
            if full == tail or full.endswith(f"/{tail}")
        ]
        if len(same) != 1:
            what = f"{len(same)} pictures are named" if same else "there is no picture"
            raise ValueError(f"{what} {shown(name)}")
        return self.paths[same[0]]

    def inside(self, folder: str) -> dict[str, Path]:
        """Return the files below a folder by their paths relative to it."""
        start = f"{folder}/" if folder else ""
        return {
            name[len(start) :]: path for name, path in self.paths.items() if name.startswith(start)
        }

    def folders_named(self, name: str, depth: int = 2) -> list[str]:
        """Return the folders of that name, ignoring case, at most ``depth`` levels down."""
        found = set()
        for path in self.paths:
            parts = path.split("/")[:-1]
            for level, part in enumerate(parts[:depth]):
                if part.lower() == name.lower():
                    found.add("/".join(parts[: level + 1]))
        return sorted(found)


def split_of(*names: str) -> str:
    """Return the split that the first name with one of its words names, or an empty string.

    ``instances_train2017`` names ``train``; ``trainval`` is a name of it, too.
    """
    for name in names:
        for word in re.findall("[a-z]+", name.lower()):
            if word in _ROLES:
                return _ROLES[word]
    return ""


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


def stems(paths: dict[str, Path], problems: list[str]) -> dict[str, Path]:
    """Return the pictures in ``paths`` by their names without suffix.

    Of two that differ only in their suffix, the second is named in ``problems``.
    """
    found: dict[str, Path] = {}
    for name, path in paths.items():
        stem, suffix = posixpath.splitext(name)
        if suffix.lower() in PICTURES and found.setdefault(stem, path) is not path:
            problems.append(f"{name}: {found[stem].name} has the same name; not used")
    return found


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


def number_in(text: str | None) -> float:
    """Return a coordinate from text; raises as `number` does."""
    try:
        value = float(text or "")
    except ValueError:
        raise ValueError(f"{shown(text)} is not a number") from None
    return number(value)
