"""Pascal VOC: one XML file a picture in ``Annotations/``, beside ``JPEGImages/`` or ``images/``.

The form is that of http://host.robots.ox.ac.uk/pascal/VOC/. Text within an entity or from another
file is refused by defusedxml.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cnnbench import files
from cnnbench.data.annotations import IGNORED
from cnnbench.data.fitting import Extent
from cnnbench.data.folder.finding import FolderFiles, split_of, stems
from cnnbench.data.folder.layout import in_order
from cnnbench.data.folder.listing import (
    PRECEDENCE,
    Draft,
    ListedObject,
    ListedPicture,
    Listing,
    class_name,
    number_in,
    with_masks,
)
from cnnbench.errors import brief

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LOOKED_FOR = "Annotations/*.xml (Pascal VOC)"
_ANNOTATIONS = "Annotations"
_PICTURES = ("JPEGImages", "images")
_LISTS = "ImageSets/Main"
_MASKS = "SegmentationObject"


def read(found: FolderFiles) -> Listing | None:
    """Return what the folder's XML files list, or None if there are none."""
    for folder in found.folders_named(_ANNOTATIONS):
        written = {
            posixpath.splitext(name)[0]: path
            for name, path in found.inside(folder).items()
            if name.lower().endswith(".xml")
        }
        if written:
            return _Reader(found, posixpath.dirname(folder), folder, written).listing()
    return None


class _Reader:
    """The files of one folder with ``Annotations/`` in it.

    Args:
        found: the files.
        top: the folder that holds ``Annotations/``, relative to that of ``found``.
        folder: ``Annotations/`` itself.
        written: the XML files, by their names without suffix.
    """

    def __init__(
        self, found: FolderFiles, top: str, folder: str, written: Mapping[str, Path]
    ) -> None:
        self._found, self._folder, self._written = found, folder, written
        self._problems = found.problems()
        self._bases = [
            posixpath.join(top, name) for name in (*_PICTURES, _ANNOTATIONS, "") if name or top
        ] or [""]
        self._top = top
        self._pictures: dict[str, Path] = {}
        for base in self._bases[: len(_PICTURES)]:
            self._pictures |= stems(found.inside(base), self._problems)
        masks = found.inside(posixpath.join(top, _MASKS))
        self._masks = {
            name.removesuffix(".png"): path for name, path in masks.items() if name.endswith(".png")
        }

    def listing(self) -> Listing:
        listed = {stem: one for stem in sorted(self._written) if (one := self._picture(stem))}
        from_zero = any(0 <= edge < 1 for one in listed.values() for edge in _starts(one))
        if not from_zero:  # the first pixel is 1, and the last is part of the box
            listed = {stem: _from_one(one) for stem, one in listed.items()}
        draft, splits = Draft(problems=self._problems), self._splits()
        for role in PRECEDENCE:
            for stem, one in listed.items():
                if role in splits.get(stem, {""}):
                    draft.add(replace(one, split=role), self._found.shown(one.file))
        pictures, kinds, notes = with_masks(list(draft.pictures.values()))
        names = {thing.name for one in pictures for thing in one.objects}
        if from_zero:
            notes = [*notes, "boxes begin at 0: their edges are taken as they are"]
        if unused := len(self._pictures.keys() - self._written.keys()):
            notes = [*notes, f"{unused} pictures without a file in {self._folder}/: not used"]
        if missing := len(splits.keys() - self._written.keys()):
            notes = [*notes, f"{_LISTS}/ lists {missing} names without a file in {self._folder}/"]
        return Listing(
            layout="Pascal VOC",
            looked_at=f"{len(self._written)} files in {self._folder}/",
            classes=tuple(in_order(names)),
            pictures=tuple(pictures),
            kinds=kinds,
            problems=tuple(draft.problems),
            notes=(*draft.notes(), *notes),
            void=IGNORED,
        )

    def _splits(self) -> dict[str, set[str]]:
        """Return the splits of each picture that ``ImageSets/Main`` lists, by its name."""
        roles: dict[str, set[str]] = {}
        for name, path in self._found.inside(posixpath.join(self._top, _LISTS)).items():
            stem, suffix = posixpath.splitext(name)
            # Others, as aeroplane_train.txt, list the pictures of a class.
            if suffix != ".txt" or "_" in stem or not (role := split_of(stem)):
                continue
            try:
                for line in files.names_in(path):
                    roles.setdefault(line.split()[0], set()).add(role)
            except (OSError, ValueError) as error:
                self._problems.append(f"{self._found.shown(path)}: {brief(error, 200)}")
        return roles

    def _picture(self, stem: str) -> ListedPicture | None:
        source = self._found.shown(self._written[stem])
        try:
            root = _parsed(self._written[stem])
            file = self._file(stem, root)
        except (OSError, ValueError, SyntaxError, LookupError, RecursionError) as error:
            kind = type(error).__name__
            self._problems.append(f"{source}: {brief(error, 200) or kind}")
            return None
        mask = self._masks.get(stem)
        objects = tuple(self._objects(root, source, mask is not None))
        return ListedPicture(
            file=file,
            source=source,
            objects=objects,
            size=_size(root),
            mask=mask,
            rejected=len(root.findall("object")) - len(objects),
        )

    def _file(self, stem: str, root: Element) -> Path:
        """Return the picture that the file names, or the one of the file's own name."""
        name = (root.findtext("filename") or "").strip()
        if not name:
            if stem in self._pictures:
                return self._pictures[stem]
            raise ValueError("names no picture")
        try:
            return self._found.picture(name, self._bases)
        except ValueError:
            # Tools write the name without its suffix, or that of before a picture was renamed.
            outside = name.replace("\\", "/").startswith(("/", "../"))
            if outside or stem not in self._pictures:
                raise
            return self._pictures[stem]

    def _objects(self, root: Element, source: str, has_mask: bool) -> Iterator[ListedObject]:
        for index, entry in enumerate(root.findall("object"), start=1):
            name, where = entry.findtext("name") or "", f"object {index}"
            try:
                if not name.strip():
                    raise ValueError("without a name")
                name = class_name(name)
                where = f"{where} ({name})"
                box = _box(entry.find("bndbox"))
            except ValueError as error:
                self._problems.append(f"{source}: {where}: {error}")
                continue
            ignored = (entry.findtext("difficult") or "").strip() not in ("", "0")
            yield ListedObject(where, name, box, None, ignored, index if has_mask else 0)


def _parsed(file: Path) -> Element:
    from defusedxml import ElementTree  # expat reads it; only this format needs it

    root: Element = ElementTree.fromstring(file.read_bytes())
    if root.tag != "annotation":
        raise ValueError(f"its root is <{root.tag[:40]}>, not <annotation>")
    return root


def _size(root: Element) -> tuple[int, int] | None:
    """Return the stated height and width; some tools write 0, or nothing."""
    try:
        height, width = (number_in(root.findtext(f"size/{side}")) for side in ("height", "width"))
    except ValueError:
        return None
    return (int(height), int(width)) if min(height, width) >= 1 else None


def _box(written: Element | None) -> Extent:
    if written is None:
        raise ValueError("without a bndbox")
    top, left, bottom, right = (
        number_in(written.findtext(edge)) for edge in ("ymin", "xmin", "ymax", "xmax")
    )
    return top, left, bottom, right


def _starts(picture: ListedPicture) -> Sequence[float]:
    return [edge for one in picture.objects if one.box for edge in one.box[:2]]


def _from_one(picture: ListedPicture) -> ListedPicture:
    """Return a picture whose boxes had 1 as the first pixel and included the last."""
    return replace(picture, objects=tuple(_shifted(one) for one in picture.objects))


def _shifted(one: ListedObject) -> ListedObject:
    top, left, bottom, right = one.box or (0.0, 0.0, 0.0, 0.0)
    return replace(one, box=(top - 1, left - 1, bottom, right))
