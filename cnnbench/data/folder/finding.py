"""Find the files of a folder by the names that annotations give, and the splits that names state.

Names are looked up in the list of files, so that none can lead out of the folder.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from cnnbench import files
from cnnbench.data.folder.layout import SPLITS, TRAIN
from cnnbench.errors import shown

PICTURES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_ROLES = SPLITS | {"trainval": TRAIN}


class FolderFiles:
    """The files of a folder by their paths relative to it.

    Attributes:
        folder: its path.
        paths: relative path, with ``/`` on every system -> path.
        odd: every path that ends at something other than a file, and what that is.
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
            bases: folders relative to this one, tried in this order; at least one.

        Raises:
            ValueError: it leads out of the folder, or there is no such picture, or several.
        """
        written = name.replace("\\", "/")
        if written.startswith("/") or re.match("[A-Za-z]:", written):
            raise ValueError(f"{shown(name)} is not a path within the folder")
        tried = [posixpath.join(base, written) for base in bases]
        for full in tried:
            if (plain := full if full in self.paths else posixpath.normpath(full)) in self.paths:
                return self.paths[plain]
        if posixpath.normpath(tried[0]).split("/")[0] == "..":
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
