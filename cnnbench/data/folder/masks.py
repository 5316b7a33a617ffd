"""Masks: a label map of the same name for each picture, beside ``images/``.

Folder ``instances/`` holds the number of an object at each pixel, ``semantic/`` that of a class. In
``masks/``, if any map has 16 bits, all are of objects; maps of 8 bits, palettes included, are of
classes. 0 is the ground; in maps of classes, 255 is neither right nor wrong, unless the only values
of all maps are 0 and 255: then 255 is the one class.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from cnnbench import files
from cnnbench.data.annotations import IGNORED, Kind
from cnnbench.data.fitting import Extent
from cnnbench.data.folder.finding import FolderFiles, split_of, stems
from cnnbench.data.folder.listing import (
    Draft,
    ListedObject,
    ListedPicture,
    Listing,
    by_precedence,
    class_name,
)
from cnnbench.errors import brief, is_out_of_memory

LOOKED_FOR = "masks/, instances/ or semantic/ with PNG beside images/ (masks)"
OBJECT = "object"  # the class of all objects of a label map without a name for it
_KINDS = ("masks", "instances", "semantic")
_LOSSLESS = (".png", ".tif", ".tiff", ".bmp")
_GROUND = {"background", "ground", "_background_", "__background__"}
_THREADS = 4
_DEEP = "I"  # modes of more than 8 bits begin with it
_MOST_OBJECTS = 65_535
_OF_OBJECTS: frozenset[Kind] = frozenset({"boxes", "instances", "semantic"})
_OF_CLASSES: frozenset[Kind] = frozenset({"semantic"})


@dataclass(frozen=True)
class _Map:
    """One label map: its size, the values in it with their px and extents, or why not."""

    is_deep: bool = False
    size: tuple[int, int] = (0, 0)
    values: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()
    extents: tuple[Extent, ...] = ()
    problem: str = ""


def read(found: FolderFiles) -> Listing | None:
    """Return what the label maps of a folder show, or None if there are none.

    The maps are read, not the pictures: only they tell which classes there are.
    """
    for kind in _KINDS:
        pairs = [
            (masks, posixpath.join(posixpath.dirname(masks), "images"))
            for masks in found.folders_named(kind)
        ]
        pairs = [pair for pair in pairs if any(_maps(found, pair[0])) and found.inside(pair[1])]
        if pairs:
            return _listing(found, kind, pairs)
    return None


def label_map(file: Path) -> npt.NDArray[np.int32]:
    """Return the values of a label map, ``(H, W)``: numbers, or places in a palette.

    Raises:
        ValueError: it has colours, fractions or negative values.
    """
    with Image.open(file) as opened:
        if opened.mode not in ("1", "L", "P") and not opened.mode.startswith(_DEEP):
            raise ValueError(
                f"it has channels {opened.mode}; a label map has one of whole numbers, or a palette"
            )
        values = np.asarray(opened)
    if values.size and int(values.min()) < 0:
        raise ValueError("it has negative values")
    return values.astype(np.int32)


def _maps(found: FolderFiles, folder: str) -> dict[str, Path]:
    """Return the label maps in a folder by their names without suffix."""
    return {
        posixpath.splitext(name)[0]: path
        for name, path in found.inside(folder).items()
        if name.lower().endswith(_LOSSLESS)
    }


def _listing(found: FolderFiles, kind: str, pairs: Sequence[tuple[str, str]]) -> Listing:
    draft = Draft(problems=found.problems())
    couples = [
        couple
        for masks, images in pairs
        for couple in _couples(found, masks, images, draft.problems)
    ]
    with ThreadPoolExecutor(_THREADS) as pool:
        examined = list(pool.map(_examined, [couple.mask for couple in couples]))
    maps: dict[_Couple, _Map] = {}
    for couple, one in zip(couples, examined, strict=True):
        if one.problem:
            draft.problems.append(f"{found.shown(couple.mask)}: {one.problem}")
        else:
            maps[couple] = one
    is_of_objects = kind == "instances" or (
        kind == "masks" and any(one.is_deep for one in maps.values())
    )
    names = _names(found, draft.problems)
    values: dict[int, str] = {}
    if is_of_objects:
        classes, kinds = names[:1] or [OBJECT], _OF_OBJECTS
        pictures = [
            couple.listed(found, one, objects=_objects(one, classes[0]))
            for couple, one in maps.items()
        ]
    else:
        values, kinds = _classes(maps, names, found, draft.problems), _OF_CLASSES
        classes = list(values.values())
        pictures = [
            couple.listed(found, one, contents=_contents(one, values))
            for couple, one in maps.items()
        ]
    for picture in by_precedence(pictures):
        draft.add(picture, found.shown(picture.file))
    meaning = "objects" if is_of_objects else "classes"
    return Listing(
        layout="masks",
        looked_at=", ".join(f"{len(_maps(found, masks))} files in {masks}/" for masks, _ in pairs),
        classes=tuple(classes),
        pictures=tuple(draft.pictures.values()),
        kinds=kinds,
        problems=tuple(draft.problems),
        notes=(*draft.notes(), f"values in {kind}/ are numbers of {meaning}"),
        values=tuple(values),
        void=None if is_of_objects or IGNORED in values else IGNORED,
    )


@dataclass(frozen=True)
class _Couple:
    """A picture and its label map."""

    picture: Path
    mask: Path
    split: str

    def listed(
        self,
        found: FolderFiles,
        one: _Map,
        objects: Sequence[ListedObject] = (),
        contents: Sequence[int] = (),
    ) -> ListedPicture:
        """Return the picture with what its label map shows."""
        shown = found.shown(self.mask)
        return ListedPicture(
            self.picture, shown, self.split, objects, one.size, self.mask, contents
        )


def _couples(found: FolderFiles, masks: str, images: str, problems: list[str]) -> Iterator[_Couple]:
    """Yield the pictures of one pair of folders that have a label map."""
    maps, pictures = _maps(found, masks), stems(found.inside(images), problems)
    problems.extend(
        f"{found.shown(maps[stem])}: no picture {images}/{stem}"
        for stem in sorted(maps.keys() - pictures.keys())
    )
    for stem, picture in sorted(pictures.items()):
        if stem not in maps:
            problems.append(f"{found.shown(picture)}: no label map {masks}/{stem}.png")
            continue
        folders = [*reversed(posixpath.dirname(stem).split("/")), *reversed(images.split("/"))]
        yield _Couple(picture, maps[stem], split_of(*folders))


def _examined(mask: Path) -> _Map:
    try:
        with Image.open(mask) as opened:
            is_deep = opened.mode.startswith(_DEEP)
        values = label_map(mask)
    except UnidentifiedImageError:
        return _Map(problem="not an image")
    except Exception as error:  # Pillow's readers can raise anything
        if is_out_of_memory(error):
            raise
        return _Map(problem=f"unreadable ({brief(error, 200)})")
    if values.max() > _MOST_OBJECTS:
        return _Map(
            problem=f"it has values up to {values.max()}; at most {_MOST_OBJECTS} are possible"
        )
    counts = np.bincount(values.ravel())
    found = [value for value in np.flatnonzero(counts).tolist() if value]
    return _Map(
        is_deep,
        (values.shape[0], values.shape[1]),
        tuple(found),
        tuple(counts[found].tolist()),
        tuple(_extents(values)),
    )


def _extents(values: npt.NDArray[np.int32]) -> Iterator[Extent]:
    """Yield the smallest box around each value but 0, in order: top, left, bottom, right in px."""
    from scipy.ndimage import find_objects

    for place in find_objects(values):
        if place is not None:
            rows, columns = place
            yield float(rows.start), float(columns.start), float(rows.stop), float(columns.stop)


def _objects(one: _Map, name: str) -> list[ListedObject]:
    """Return the objects of a label map of objects: one a value."""
    return [
        ListedObject(f"value {value}", name, box, value=value)
        for value, box in zip(one.values, one.extents, strict=True)
    ]


def _classes(
    maps: Mapping[_Couple, _Map], names: Sequence[str], found: FolderFiles, problems: list[str]
) -> dict[int, str]:
    """Return the name of each class by its value in the maps."""
    seen = {value for one in maps.values() for value in one.values}
    if seen == {IGNORED}:
        return {IGNORED: names[0] if names else OBJECT}
    if not names:
        return {value: str(value) for value in sorted(seen - {IGNORED})}
    for couple, one in maps.items():
        if unknown := [value for value in one.values if len(names) < value != IGNORED]:
            where = found.shown(couple.mask)
            problems.append(f"{where}: values {unknown[:5]} of unknown classes: ignored")
    return dict(enumerate(names, start=1))


def _contents(one: _Map, classes: Mapping[int, str]) -> list[int]:
    counts = dict(zip(one.values, one.counts, strict=True))
    return [counts.get(value, 0) for value in classes]


def _names(found: FolderFiles, problems: list[str]) -> list[str]:
    """Return the names of the values 1, 2, … in ``classes.txt``; a first one may be the ground."""
    if (path := found.paths.get("classes.txt")) is None:
        return []
    try:
        names = list(map(class_name, files.names_in(path)))
    except (OSError, ValueError) as error:
        problems.append(f"classes.txt: {brief(error, 200)}")
        return []
    return names[1:] if names and names[0].lower() in _GROUND else names
