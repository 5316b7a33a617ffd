"""Files in which predictions are drawn into their pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnbench import files
from cnnbench.api import fitted_images
from cnnbench.api.image_files import ImageFiles
from cnnbench.data import animation, drawing
from cnnbench.data.drawing import AnyMark, drawn
from cnnbench.errors import UserError
from cnnbench.tasks.task import Prediction
from cnnbench.text import plural

OPTION = "--draw"
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


@dataclass(frozen=True)
class Drawings:
    """The files in which pictures are to be drawn.

    Attributes:
        files: the file of each picture; of an animation the same for all.
        is_animation: all are frames of one file.
    """

    files: Mapping[Path, Path]
    is_animation: bool = False

    def write(
        self, pictures: Sequence[Path], predictions: Sequence[Sequence[Prediction]], white: int
    ) -> None:
        """Draw the predictions of each picture into a copy of it, in whole or not at all.

        Args:
            pictures: image files, of those that were planned.
            predictions: for each, on the picture (`Prediction.placed`).
            white: as in `fitted_images.upright`.

        Raises:
            UserError: a picture cannot be read, or a file not be written.
        """
        shown = (
            drawn(fitted_images.upright(file, white), _marks(found))
            for file, found in zip(pictures, predictions, strict=True)
        )
        if self.is_animation:
            animation.write(shown, self.files[pictures[0]])
            return
        for file, picture in zip(pictures, shown, strict=True):
            path = self.files[file]
            try:
                path.parent.mkdir(exist_ok=True)
            except OSError as error:
                raise UserError(f"cannot be written: {error.strerror}", str(path)) from None
            drawing.write(picture, path, _FORMATS[path.suffix.lower()])


def planned(draw: str, images: ImageFiles, is_sequence: bool = False) -> Drawings:
    """Return the files in which pictures are to be drawn, by ``--draw``.

    ``draw`` is a file, for one picture, or a folder, in which every picture gets a PNG file of its
    name. A folder ends with a slash, is there, or is meant where several pictures are drawn. The
    frames of a sequence go to a folder likewise, or to one animated file.

    Raises:
        UserError: it is a file for several pictures, of an unknown format, in no folder, one of the
            pictures themselves or in their folder; or two pictures have one name.
    """
    place = Path(draw)
    pictures = images.files
    is_many = len(pictures) > 1 or bool(images.folders)
    separators = tuple(filter(None, (os.sep, os.altsep)))
    suffix = place.suffix.lower()
    is_folder = draw.endswith(separators) or files.check_path(place.is_dir)
    is_animation = is_sequence and not is_folder and suffix in animation.FORMATS
    if not is_folder and not is_animation and is_many:
        if suffix in {*_FORMATS, *animation.FORMATS} or files.check_path(place.exists):
            raise UserError(
                f"one file, '{draw}', for {plural(len(pictures), 'image')}",
                OPTION,
                _other_place(is_sequence, images),
            )
        is_folder = True
    if not is_folder and not is_animation and suffix not in _FORMATS:
        hint = f"end it in one of {', '.join(_FORMATS)}, or in / for a folder"
        raise UserError(f"'{draw}' is no kind of image file", OPTION, hint)
    parent = place.parent
    if not files.check_path(parent.is_dir):
        raise UserError(f"no such folder {parent}", OPTION, "create it")
    if is_folder and files.check_path(place.exists) and not place.is_dir():
        raise UserError(f"'{draw}' is no folder", OPTION)
    _check_apart(place if is_folder else parent, images.folders)
    if is_animation:
        _check_images([place], pictures)
        return Drawings(dict.fromkeys(pictures, place), is_animation=True)
    found = [place / f"{picture.stem}.png" for picture in pictures] if is_folder else [place]
    _check_images(found, pictures)
    _check_names(found, pictures)
    return Drawings(dict(zip(pictures, found, strict=True)))


def _other_place(is_sequence: bool, images: ImageFiles) -> str:
    """Return the advice for one file that cannot hold several pictures."""
    if is_sequence:
        return f"name a folder, FOLDER/, or a file that ends in {', '.join(animation.FORMATS)}"
    return "name a folder: FOLDER/" + (
        "; with --track a .gif, .webp or .png is animated" if images.folders else ""
    )


def _check_apart(place: Path, folders: Sequence[Path]) -> None:
    """Raise `UserError` if drawings would be among the pictures of a folder the next time."""
    for folder in folders:
        if place.resolve() == folder.resolve():
            raise UserError(f"{place} is the folder of the images", OPTION, "choose another place")


def _marks(predictions: Sequence[Prediction]) -> list[AnyMark]:
    """Return the marks of predictions, the first, which is the best, of those at one place."""
    found: dict[object, AnyMark] = {}
    for number, prediction in enumerate(predictions):
        mark = prediction.mark(number)
        if mark is not None:
            is_alone = mark.mask is not None
            place = number if is_alone else None if mark.box is None else tuple(mark.box)
            found.setdefault(place, mark)
    return list(found.values())


def _check_images(paths: Sequence[Path], pictures: Sequence[Path]) -> None:
    """Raise `UserError` if a drawing would replace one of the images."""
    originals = {picture.resolve() for picture in pictures}
    for path in paths:
        if path.resolve() in originals:
            raise UserError(f"{path} is one of the images", OPTION, "choose another place")


def _check_names(paths: Sequence[Path], pictures: Sequence[Path]) -> None:
    """Raise `UserError` if two pictures would be drawn in one file."""
    known: dict[Path, Path] = {}
    for path, picture in zip(paths, pictures, strict=True):
        if path in known:
            raise UserError(
                f"{known[path]} and {picture} would both be drawn in {path}",
                OPTION,
                "draw them in two folders",
            )
        known[path] = picture
