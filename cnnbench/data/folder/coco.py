"""COCO's JSON: ``images``, ``annotations`` and ``categories`` in one file a split.

The form is described at https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import json
import posixpath
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnnbench.data.fitting import Extent
from cnnbench.data.folder.finding import FolderFiles, split_of
from cnnbench.data.folder.layout import TRAIN
from cnnbench.data.folder.listing import (
    Draft,
    ListedObject,
    ListedPicture,
    Listing,
    by_precedence,
    class_name,
    number,
    numbers,
    with_masks,
)
from cnnbench.data.folder.outlines import Outline, Polygons, Runs
from cnnbench.errors import brief, shown

LOOKED_FOR = "a JSON file with images, annotations and categories (COCO)"
_KEYS = ("images", "annotations", "categories")
_DEPTH = 3  # parts of the path of a file: train/annotations/instances.json
_OBJECTS = "instances_"  # COCO's files of objects; those of keypoints hold some of the same


def read(found: FolderFiles) -> Listing | None:
    """Return what the folder's COCO files list, or None if there are none."""
    names = [name for name in found.paths if name.count("/") < _DEPTH and _is_coco(found, name)]
    if any(posixpath.basename(name).startswith(_OBJECTS) for name in names):
        names = [name for name in names if posixpath.basename(name).startswith(_OBJECTS)]
    if not names:
        return None
    draft = Draft(problems=found.problems())
    splits = {name: _split(name) for name in names}
    sources = [
        _Source(found, name, splits[name], content, draft.problems)
        for name in sorted(names, key=lambda name: splits[name] != TRAIN)
        if (content := _content(found.paths[name], name, draft.problems)) is not None
    ]
    classes = list(dict.fromkeys(name for one in sources for name in one.categories.values()))
    for picture in by_precedence(one for source in sources for one in source.pictures()):
        draft.add(picture, found.shown(picture.file))
    pictures, kinds, notes = with_masks(list(draft.pictures.values()))
    return Listing(
        layout="COCO",
        looked_at=", ".join(sorted(names)),
        classes=tuple(classes),
        pictures=tuple(pictures),
        kinds=kinds,
        problems=tuple(draft.problems),
        notes=(*draft.notes(), *notes),
    )


def _is_coco(found: FolderFiles, name: str) -> bool:
    """Return whether a file is COCO's by its name, or by the keys in it, be it damaged or not."""
    file = posixpath.basename(name)
    if not file.lower().endswith(".json"):
        return False
    if file.startswith(_OBJECTS) or file.endswith("_annotations.coco.json"):
        return True
    try:
        text = found.paths[name].read_bytes()
    except OSError:
        return False
    return all(f'"{key}"'.encode() in text for key in _KEYS)


def _split(name: str) -> str:
    folders, _, file = name.rpartition("/")
    return split_of(file.removesuffix(".json"), *reversed(folders.split("/")))


def _content(file: Path, name: str, problems: list[str]) -> dict[str, list[Any]] | None:
    """Return the three lists, or None after naming what is wrong."""
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        problems.append(f"{name}: not readable as JSON ({brief(error, 200)})")
        return None
    if not isinstance(content, dict):
        problems.append(f"{name}: not an object with {', '.join(_KEYS)}")
        return None
    for key in _KEYS:
        if not isinstance(content.get(key), list):
            problems.append(f"{name}: '{key}' is not a list")
            return None
    return content


@dataclass
class _Source:
    """One file of annotations."""

    found: FolderFiles
    name: str
    split: str
    content: Mapping[str, list[Any]]
    problems: list[str]
    categories: dict[Hashable, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for index, entry in self._entries("categories"):
            where = f"category {shown(entry.get('name', f'at {index}'))}"
            try:
                key, name = _id(entry), class_name(entry.get("name"))
                if key is None:
                    raise ValueError("without an id")
                if key in self.categories:
                    raise ValueError("an id that another one has; not used")
            except ValueError as error:
                self._problem(where, str(error))
                continue
            if name in self.categories.values():
                self._problem(where, "a name that another one has: taken as the same class")
            self.categories[key] = name

    def pictures(self) -> Iterator[ListedPicture]:
        """Yield the pictures, each with its objects."""
        entries: dict[Hashable, tuple[Path, Mapping[str, Any]]] = {}
        files: set[Path] = set()
        for index, entry in self._entries("images"):
            where = f"image {shown(entry.get('id', f'at {index}'))}"
            try:
                key, file = self._picture(entry)
                if key in entries:
                    raise ValueError("an id that another one has; not used")
                if file in files:
                    raise ValueError(f"{shown(entry['file_name'])} stands twice; not used")
            except ValueError as error:
                self._problem(where, str(error))
                continue
            files.add(file)
            entries[key] = file, entry
        objects, rejected = self._objects(entries)
        for key, (file, entry) in entries.items():
            yield ListedPicture(
                file=file,
                source=self.name,
                split=self.split,
                objects=objects[key],
                size=_size(entry),
                rejected=rejected[key],
            )

    def _picture(self, entry: Mapping[str, Any]) -> tuple[Hashable, Path]:
        key, name = _id(entry), entry.get("file_name")
        if key is None:
            raise ValueError("without an id")
        if not isinstance(name, str) or not name:
            raise ValueError("without a file_name")
        return key, self.found.picture(name, self._bases())

    def _bases(self) -> list[str]:
        """Return the folders that names of pictures may be relative to.

        They are that of the file and the one above, and there ``images/`` and the folder named
        after the split, as ``train2017/`` beside ``annotations/instances_train2017.json``.
        """
        folder, _, file = self.name.rpartition("/")
        above = posixpath.dirname(folder)
        split = posixpath.splitext(file)[0].rpartition("_")[2]
        inner = ["", "images", split, f"images/{split}", self.split, f"images/{self.split}"]
        tops = dict.fromkeys([folder, above])
        return [posixpath.join(top, part).strip("/") for top in tops for part in inner]

    def _objects(
        self, known: Mapping[Hashable, object]
    ) -> tuple[dict[Hashable, list[ListedObject]], Counter[Hashable]]:
        """Return the objects by the id of their picture, and the number of unreadable ones."""
        found: dict[Hashable, list[ListedObject]] = defaultdict(list)
        rejected: Counter[Hashable] = Counter()
        listed = {_id(entry) for _, entry in self._entries("images", silent=True)} - {None}
        for index, entry in self._entries("annotations"):
            where = f"annotation {shown(entry.get('id', f'at {index}'))}"
            key = _id(entry, "image_id")
            try:
                if key not in listed:
                    raise ValueError(f"of an unknown image {shown(entry.get('image_id'))}")
                if key in known:
                    found[key].append(self._object(entry, where))
            except ValueError as error:
                rejected[key] += 1
                self._problem(where, str(error))
        return found, rejected

    def _object(self, entry: Mapping[str, Any], where: str) -> ListedObject:
        category = _id(entry, "category_id")
        if category not in self.categories:
            raise ValueError(f"of an unknown category {shown(entry.get('category_id'))}")
        outline: Outline | None = None
        try:
            outline = _outline(entry.get("segmentation"))
        except ValueError as error:
            self._problem(where, f"no mask: {error}")
        box = _box(entry["bbox"]) if entry.get("bbox") else None
        if box is None and outline is None:
            raise ValueError("without a bbox")
        crowd = entry.get("iscrowd", 0) in (1, True)
        name = self.categories[category]
        return ListedObject(where, name, box, outline, ignored=crowd, crowd=crowd)

    def _entries(self, key: str, silent: bool = False) -> Iterator[tuple[int, Mapping[str, Any]]]:
        for index, entry in enumerate(self.content[key]):
            if isinstance(entry, dict):
                yield index, entry
            elif not silent:
                self._problem(f"{key}[{index}]", f"{shown(entry)} is not an object")

    def _problem(self, where: str, what: str) -> None:
        self.problems.append(f"{self.name}: {where}: {what}")


def _id(entry: Mapping[str, Any], key: str = "id") -> Hashable | None:
    """Return an id, also a whole number that a tool wrote as ``1.0``, or None."""
    value = entry.get(key)
    is_whole = isinstance(value, float) and value.is_integer()
    return value if is_whole or isinstance(value, int | str) else None


def _size(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the stated height and width, or None if they are missing or no sizes."""
    try:
        height, width = number(entry.get("height")), number(entry.get("width"))
    except ValueError:
        return None
    return (int(height), int(width)) if min(height, width) >= 1 else None


def _box(values: Any) -> Extent:
    if not isinstance(values, list) or len(values) != 4:
        raise ValueError(f"bbox {shown(values)} is not four numbers")
    left, top, width, height = map(number, values)
    return top, left, top + height, left + width


def _outline(written: Any) -> Outline | None:
    """Return the outline of a ``segmentation``, or None if it is empty."""
    if not written:
        return None
    if isinstance(written, dict):
        size, counts = written.get("size"), written.get("counts")
        if not (isinstance(size, list) and len(size) == 2 and all(type(n) is int for n in size)):
            raise ValueError(f"size {shown(size)} is not height and width")
        if not isinstance(counts, list | str):
            raise ValueError("run lengths without counts")
        return Runs.of(counts, *size)
    if not isinstance(written, list):
        raise ValueError(f"segmentation {shown(written)} is neither polygons nor run lengths")
    return Polygons([_ring(ring) for ring in written])


def _ring(values: Any) -> Any:
    if not isinstance(values, list) or len(values) < 6 or len(values) % 2:
        raise ValueError(f"{shown(values)} is not a polygon of at least three points")
    return numbers(values).reshape(-1, 2)[:, ::-1]
