"""``folder:PATH`` with annotated pictures: recognise the layout, examine it, split it.

A layout is one module with ``read(files) -> Listing | None`` and one line in `_LAYOUTS`; the first
that finds its files reads the folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np

from cnnbench.data import loading, tones
from cnnbench.data.annotations import IGNORED, Kind
from cnnbench.data.folder import coco, masks, overlaps, voc, yolo
from cnnbench.data.folder.examination import AnnotatedPicture, distinct, examined
from cnnbench.data.folder.finding import FolderFiles
from cnnbench.data.folder.layout import SMALLEST_CLASS, TRAIN, VALIDATION
from cnnbench.data.folder.listing import Listing, by_precedence
from cnnbench.data.folder.reading import AnnotatedPhotographs
from cnnbench.data.pictures import Splits
from cnnbench.errors import JobFailed

_LAYOUTS = (coco, voc, yolo, masks)
_TEST_SHARE = 0.2
_THREADS = 4
_MOST_CLASSES = IGNORED - 1  # that the pixels of a semantic mask can tell apart
_MOST_NAMED = 3  # problems and classes in a line

LOOKED_FOR = ", ".join(one.LOOKED_FOR for one in _LAYOUTS)


def listing(folder: Path, sha256: str = "") -> Listing | None:
    """Return what an annotated folder lists, or None if it has no annotations.

    Args:
        folder: its path.
        sha256: of its content, which is then read once; empty if unknown.
    """
    return _known(folder, sha256) if sha256 else _read(folder)


@lru_cache(maxsize=4)
def _known(folder: Path, sha256: str) -> Listing | None:
    return _read(folder)


def _read(folder: Path) -> Listing | None:
    found = FolderFiles(folder)
    return next((made for one in _LAYOUTS if (made := one.read(found)) is not None), None)


def kinds(found: Listing) -> frozenset[Kind]:
    """Return what is known of the pictures of a listing."""
    return found.kinds - {"semantic"} if len(found.classes) > _MOST_CLASSES else found.kinds


def notes(found: Listing) -> list[str]:
    """Return remarks for the plan: what was recognised, and how it is understood."""
    words = [
        f"read as {found.layout}: {len(found.pictures)} pictures, {len(found.classes)} classes "
        f"from {found.looked_at}",
        *found.notes,
    ]
    if len(found.classes) > _MOST_CLASSES:
        words.append(f"more than {_MOST_CLASSES} classes: no semantic masks")
    names = {one.name for picture in found.pictures for one in picture.objects}
    if names and (unused := [name for name in found.classes if name not in names]):
        words.append(f"classes without an object: {_some(unused, ', ')}")
    return words


def problem_notes(found: Listing) -> list[str]:
    """Return one remark for the plan that counts the problems of the annotations."""
    if not found.problems:
        return []
    return [f"{len(found.problems)} problems in the annotations: {_some(found.problems)}"]


def load(name: str, folder: Path, found: Listing, trains: bool) -> Splits:
    """Return the splits of an annotated folder; without official ones, four fifths for training.

    Args:
        name: the path as the suite gives it.
        folder: its path.
        found: what it lists.
        trains: a model is trained; otherwise only the official test split is read.

    Raises:
        JobFailed: too few pictures for training or for testing can be used.
    """
    test = found.test_split
    wanted = [split for split in (test, *((TRAIN, VALIDATION) if trains else ())) if split]
    listed = by_precedence(one for one in found.pictures if not test or one.split in wanted)
    shown = {one.file: one.file.relative_to(folder).as_posix() for one in listed}
    labels = {label: index for index, label in enumerate(found.classes)}
    with ThreadPoolExecutor(_THREADS) as pool:
        results = list(pool.map(lambda one: examined(one, labels, shown[one.file]), listed))
    usable, copies = distinct([one for one, _ in results if one is not None], shown)
    problems = [*found.problems, *(line for _, lines in results for line in lines), *copies]
    if lacks := _lacks(usable, test, trains) or ("" if kinds(found) else "too many classes"):
        raise JobFailed(
            f"'{name}' ({found.layout}, {found.looked_at}) has {len(usable)} usable pictures of "
            f"{len(listed)}: {lacks} ({len(problems)} problems: {_some(problems) or 'none'})"
        )
    white = tones.white_level(one.tones.brightest for one in usable)

    def part(pictures: Sequence[AnnotatedPicture]) -> AnnotatedPhotographs:
        return AnnotatedPhotographs(pictures, kinds(found), found.values, found.void, white)

    def of(split: str) -> AnnotatedPhotographs:
        return part([one for one in usable if one.listed.split == split])

    if test:
        validation = of(VALIDATION) if test != VALIDATION else part([])
        parts = of(TRAIN), of(test), validation if len(validation.labels) else None
    else:
        kept, held = loading.held_out(np.array([one.label for one in usable]), _TEST_SHARE)
        parts = part([usable[i] for i in kept]), part([usable[i] for i in held]), None
    remarks = [*notes(found), *_remarks(usable)]
    if "instances" in kinds(found) and (lost := overlaps.note(usable)):
        remarks.append(lost)
    return Splits(found.classes, *parts, tuple(problems), tuple(remarks), bool(test))


def _lacks(usable: Sequence[AnnotatedPicture], test: str, trains: bool) -> str:
    """Return why the usable pictures are too few, or an empty string."""
    with_objects = [one for one in usable if one.label >= 0]
    if not test:
        least = SMALLEST_CLASS if trains else 1
        few = len(with_objects) < least
        return f"{len(with_objects)} have an object, {least} are needed" if few else ""
    for split in (TRAIN, test) if trains else (test,):
        if not any(one.listed.split == split for one in with_objects):
            return f"none with an object in its split {split}"
    return ""


def _remarks(usable: Sequence[AnnotatedPicture]) -> list[str]:
    """Return remarks on the pictures themselves."""
    words = tones.notes([one.tones for one in usable])
    if scaled := sum(one.is_scaled for one in usable):
        words.append(f"{scaled} pictures have another size than their annotations state: scaled")
    if empty := sum(one.label < 0 for one in usable):
        words.append(f"{empty} of {len(usable)} pictures have no object")
    return words


def _some(lines: Sequence[str], between: str = "; ") -> str:
    """Return the first few of many lines."""
    rest = len(lines) - _MOST_NAMED
    return between.join(lines[:_MOST_NAMED]) + (f"{between}and {rest} more" if rest > 0 else "")
