"""YOLO's text: a file a picture in ``labels/``, beside ``images/``, an object a line.

A line is ``class x y width height``, the centre and sides of a box as fractions of the picture, or
``class x1 y1 x2 y2 x3 y3 …``, a polygon. The form is described at
https://docs.ultralytics.com/datasets/detect/ and ``/segment/``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cnnbench import files
from cnnbench.data.fitting import Extent
from cnnbench.data.folder.finding import FolderFiles, split_of, stems
from cnnbench.data.folder.layout import in_order
from cnnbench.data.folder.listing import (
    FRACTIONS,
    Draft,
    ListedObject,
    ListedPicture,
    Listing,
    by_precedence,
    class_name,
    number_in,
    with_masks,
)
from cnnbench.data.folder.outlines import Polygons
from cnnbench.errors import brief, is_out_of_memory, shown

LOOKED_FOR = "labels/*.txt beside images/ (YOLO)"
_BOX = 5  # numbers of a line that is a box
_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names")
_OTHER_TEXTS = {"classes", "labels", "train", "val", "valid", "test", "README"}


def read(found: FolderFiles) -> Listing | None:
    """Return what the folder's text files list, or None if there are none."""
    pairs = [
        (labels, posixpath.join(posixpath.dirname(labels), "images"))
        for labels in found.folders_named("labels")
    ]
    written = {
        labels: texts
        for labels, images in pairs
        if found.inside(images) and (texts := _texts(found.inside(labels)))
    }
    if not written:
        return None
    draft = Draft(problems=found.problems())
    names = _names(found, draft.problems)
    pictures = [
        picture
        for labels, images in pairs
        if labels in written
        for picture in _pictures(found, labels, images, written[labels], names, draft.problems)
    ]
    for picture in by_precedence(pictures):
        draft.add(picture, found.shown(picture.file))
    listed, kinds, notes = with_masks(list(draft.pictures.values()))
    if not names:
        numbers = {thing.name for one in listed for thing in one.objects}
        names = dict(enumerate(in_order(numbers)))
        notes = [*notes, "no names of classes (data.yaml, classes.txt): they are numbers"]
    return Listing(
        layout="YOLO",
        looked_at=", ".join(f"{len(texts)} files in {name}/" for name, texts in written.items()),
        classes=tuple(dict.fromkeys(names.values())),
        pictures=tuple(listed),
        kinds=kinds,
        problems=tuple(draft.problems),
        notes=(*draft.notes(), *notes),
    )


def _texts(inside: dict[str, Path]) -> dict[str, Path]:
    """Return the text files by their names without suffix."""
    return {
        name.removesuffix(".txt"): path for name, path in inside.items() if name.endswith(".txt")
    }


def _pictures(
    found: FolderFiles,
    labels: str,
    images: str,
    texts: dict[str, Path],
    names: dict[int, str],
    problems: list[str],
) -> Iterator[ListedPicture]:
    """Yield the pictures of one pair of folders; one without a file has no object."""
    pictures = stems(found.inside(images), problems)
    for stem in sorted(texts.keys() - pictures.keys() - _OTHER_TEXTS):
        problems.append(f"{labels}/{stem}.txt: there is no picture {images}/{stem}")
    for stem, file in sorted(pictures.items()):
        shown_as = f"{labels}/{stem}.txt"
        folders = [*reversed(posixpath.dirname(stem).split("/")), *reversed(images.split("/"))]
        try:
            lines = texts[stem].read_text(encoding="utf-8").splitlines() if stem in texts else []
        except (OSError, ValueError) as error:
            problems.append(f"{shown_as}: {brief(error, 200)}")
            continue
        yield ListedPicture(
            file=file,
            source=shown_as,
            split=split_of(*folders),
            objects=(objects := tuple(_objects(lines, shown_as, names, problems))),
            size=FRACTIONS,
            rejected=sum(bool(line.strip()) for line in lines) - len(objects),
        )


def _objects(
    lines: list[str], shown_as: str, names: dict[int, str], problems: list[str]
) -> Iterator[ListedObject]:
    for index, line in enumerate(lines, start=1):
        if not (words := line.split()):
            continue
        try:
            yield _object(words, f"line {index}", names)
        except ValueError as error:
            problems.append(f"{shown_as}: line {index}: {error}")


def _object(words: list[str], where: str, names: dict[int, str]) -> ListedObject:
    if not words[0].isascii() or not words[0].isdecimal() or len(words[0]) > 9:
        raise ValueError(f"class {shown(words[0])} is not a number")
    label = int(words[0])
    if names and label not in names:
        raise ValueError(f"of an unknown class {label}")
    name = names.get(label, str(label))
    numbers = [number_in(word) for word in words[1:]]
    if len(words) == _BOX:
        x, y, width, height = numbers
        box: Extent = y - height / 2, x - width / 2, y + height / 2, x + width / 2
        if min(width, height) <= 0:
            raise ValueError("a box of no area")
        return ListedObject(where, name, box)
    if len(numbers) < 6 or len(numbers) % 2:
        raise ValueError(f"{len(words)} numbers are neither a box (5) nor a polygon (7, 9, …)")
    return ListedObject(where, name, None, Polygons([np.array(numbers).reshape(-1, 2)[:, ::-1]]))


def _names(found: FolderFiles, problems: list[str]) -> dict[int, str]:
    """Return the names of the classes by number; empty if no file gives them."""
    for name in (*_NAMES, "labels/classes.txt"):
        if (path := found.paths.get(name)) is None:
            continue
        try:
            if name.endswith((".yaml", ".yml")):
                given = _names_of(yaml.safe_load(path.read_bytes()))
            else:
                given = dict(enumerate(map(class_name, files.names_in(path))))
        except Exception as error:  # PyYAML raises many kinds
            if is_out_of_memory(error):
                raise
            problems.append(f"{name}: no names of classes ({brief(error, 200)})")
            continue
        if given:
            return given
    return {}


def _names_of(content: Any) -> dict[int, str]:
    """Return the names in ``data.yaml``: a list, or a mapping from numbers.

    Raises:
        ValueError: there are none.
    """
    names = content.get("names") if isinstance(content, dict) else None
    if not isinstance(names, dict | list):
        raise ValueError("it has no list 'names'")
    pairs = names.items() if isinstance(names, dict) else enumerate(names)
    found = {}
    for number, name in pairs:
        if not isinstance(number, int):
            raise ValueError(f"names: {shown(number)} is not the number of a class")
        found[number] = class_name(name)
    if not found:
        raise ValueError("its list 'names' is empty")
    return dict(sorted(found.items()))
