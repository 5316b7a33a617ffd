"""Files in which predictions are drawn into their pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cnnbench import files
from cnnbench.api import fitted_images
from cnnbench.data import drawing
from cnnbench.data.drawing import Mark, drawn
from cnnbench.errors import UserError
from cnnbench.tasks.task import Prediction

OPTION = "--draw"
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


def paths(draw: str, pictures: Sequence[Path]) -> list[Path]:
    """Return the file in which each picture is to be drawn, by ``--draw``.

    ``draw`` is a file, for one picture, or a folder, in which every picture gets a PNG file of its
    name. A folder ends with a slash, is there, or is meant where several pictures are drawn.

    Raises:
        UserError: it is a file for several pictures, of an unknown format, in no folder, or one of
            the pictures themselves; or two pictures have one name.
    """
    place = Path(draw)
    separators = tuple(filter(None, (os.sep, os.altsep)))
    has_format = place.suffix.lower() in _FORMATS
    is_folder = draw.endswith(separators) or files.check_path(place.is_dir)
    if not is_folder and len(pictures) > 1:
        if has_format or files.check_path(place.exists):
            raise UserError(
                f"one file, '{draw}', for {len(pictures)} images", OPTION, "name a folder: FOLDER/"
            )
        is_folder = True
    if not is_folder and not has_format:
        hint = f"end it in one of {', '.join(_FORMATS)}, or in / for a folder"
        raise UserError(f"'{draw}' is no kind of image file", OPTION, hint)
    parent = place.parent
    if not files.check_path(parent.is_dir):
        raise UserError(f"no such folder {parent}", OPTION, "create it")
    if is_folder and files.check_path(place.exists) and not place.is_dir():
        raise UserError(f"'{draw}' is no folder", OPTION)
    found = [place / f"{picture.stem}.png" for picture in pictures] if is_folder else [place]
    _check(found, pictures)
    return found


def write(
    paths: Sequence[Path],
    pictures: Sequence[Path],
    predictions: Sequence[Sequence[Prediction]],
    white: int,
) -> None:
    """Draw the predictions of each picture into a copy of it, in whole or not at all.

    Args:
        paths: as `paths` returns them.
        pictures: image files.
        predictions: for each, on the picture (`Prediction.placed`).
        white: as in `fitted_images.upright`.

    Raises:
        UserError: a picture cannot be read, or a file not be written.
    """
    for path, file, found in zip(paths, pictures, predictions, strict=True):
        picture = drawn(fitted_images.upright(file, white), _marks(found))
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot be written: {error.strerror}", str(path)) from None
        drawing.write(picture, path, _FORMATS[path.suffix.lower()])


def _marks(predictions: Sequence[Prediction]) -> list[Mark]:
    """Return the marks of predictions, the first, which is the best, of those at one place."""
    found: dict[object, Mark] = {}
    for number, prediction in enumerate(predictions):
        mark = prediction.mark(number)
        if mark is not None:
            is_alone = mark.mask is not None
            place = number if is_alone else None if mark.box is None else tuple(mark.box)
            found.setdefault(place, mark)
    return list(found.values())


def _check(paths: Sequence[Path], pictures: Sequence[Path]) -> None:
    known: dict[Path, Path] = {}
    originals = {picture.resolve() for picture in pictures}
    for path, picture in zip(paths, pictures, strict=True):
        if path.resolve() in originals:
            raise UserError(f"{path} is one of the images", OPTION, "choose another place")
        if path in known:
            raise UserError(
                f"{known[path]} and {picture} would both be drawn in {path}",
                OPTION,
                "draw them in two folders",
            )
        known[path] = picture
