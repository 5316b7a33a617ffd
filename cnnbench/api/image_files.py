"""The image files that a command names: single ones, and all pictures of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnbench import files
from cnnbench.data.folder.finding import PICTURES
from cnnbench.errors import UserError
from cnnbench.text import natural


@dataclass(frozen=True)
class ImageFiles:
    """Image files to look at.

    Attributes:
        files: in the order in which they were named; those of a folder in natural order.
        folders: the folders that were named.
        of_folders: the files that were found in them, of which damaged ones are left out.
    """

    files: tuple[Path, ...]
    folders: tuple[Path, ...] = ()
    of_folders: frozenset[Path] = frozenset()


def named(images: Sequence[Path | str]) -> ImageFiles:
    """Return the image files that ``images``, files and folders, name.

    Of a folder, all files with the ending of a picture, but not those in its own folders.

    Raises:
        UserError: nothing is named, or a folder has no pictures or cannot be read.
    """
    if not images:
        raise UserError("no images to predict", hint="name at least one image file, or a folder")
    found: list[Path] = []
    folders: list[Path] = []
    inside: set[Path] = set()
    for image in map(Path, images):
        if files.check_path(image.is_dir):
            pictures = _pictures(image)
            folders.append(image)
            inside.update(pictures)
            found += pictures
        else:
            found.append(image)
    return ImageFiles(tuple(found), tuple(folders), frozenset(inside))


def _pictures(folder: Path) -> list[Path]:
    try:
        inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
        pictures = [p for p in inside if p.suffix.lower() in PICTURES and p.is_file()]
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", str(folder)) from None
    if pictures:
        return sorted(pictures, key=lambda path: natural(path.name))
    has_folders = any(files.check_path(path.is_dir) for path in inside)
    hint = f"the names of pictures end in {', '.join(sorted(PICTURES))}"
    if has_folders:
        hint += "; folders in it are not searched"
    raise UserError("no pictures in this folder", str(folder), hint)
