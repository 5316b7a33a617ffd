"""Image files for a network: read, brought to the size of its input, and where they are in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

import numpy as np
from PIL import Image

from cnnbench.api.image_files import ImageFiles
from cnnbench.data import photographs, tones
from cnnbench.data.fitting import Placement
from cnnbench.data.pictures import Fit
from cnnbench.data.tones import Picture, Tones
from cnnbench.errors import UserError, brief, is_out_of_memory
from cnnbench.text import plural

_T = TypeVar("_T")
_MOST_NAMED = 10  # damaged files in a note


@dataclass(frozen=True)
class FittedImages:
    """Images of several files, fitted to one size.

    Attributes:
        files: they were read from.
        pixels: float32 ``(n, height, width, channels)`` in 0..255.
        placements: of each picture in its image; pictures are upright.
    """

    files: list[Path]
    pixels: np.ndarray
    placements: list[Placement]


class ImageReader:
    """Reads image files for a network, a batch at a time.

    Damaged files of a folder are left out; `notes` counts and names them.

    Args:
        images: the files.
        shape: ``(height, width, channels)`` of the network's input.
        fit: how pictures are brought to it.

    Attributes:
        white: the value of white in pictures of more than 8 bits (`data.tones.white_level`).

    Raises:
        UserError: a file that was named itself cannot be read, or the network takes neither grey
            nor colour images, or no file can be read.
    """

    def __init__(self, images: ImageFiles, shape: tuple[int, ...], fit: Fit) -> None:
        if shape[-1] not in (1, 3):
            raise UserError(
                f"the model takes images of {shape[-1]} channels", hint="image files give 1 or 3"
            )
        self._images, self._shape, self._fit = images, shape, fit
        self._damaged: dict[Path, str] = {}
        self._tones: dict[Path, Tones] = {}
        for file in images.files:
            found = self._tried(file, photographs.tones_of)
            if found is not None:
                self._tones[file] = found
        if not self._tones:
            self._raise_unreadable()
        self.white = tones.white_level(one.brightest for one in self._tones.values())

    def sizes(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        """Yield each readable file with height and width of its upright picture."""
        for file in self._tones:
            size = self._tried(file, photographs.size_of)
            if size is not None:
                yield file, size

    def batches(self, size: int) -> Iterator[FittedImages]:
        """Yield the fitted images, at most ``size`` at once.

        Raises:
            UserError: no file is left that can be read.
        """
        batch: list[tuple[Path, np.ndarray, Placement]] = []
        is_empty = True
        for file in self._images.files:
            found = self._tried(file, self._placed) if file in self._tones else None
            if found is not None:
                batch.append((file, *found))
                is_empty = False
            if len(batch) == size:
                yield _stacked(batch)
                batch = []
        if batch:
            yield _stacked(batch)
        if is_empty:
            self._raise_unreadable()

    def notes(self) -> list[str]:
        """Return remarks on how pictures were read, and which are damaged; known after reading."""
        read = [found for file, found in self._tones.items() if file not in self._damaged]
        notes = tones.notes(read)
        if self._damaged:
            count = plural(len(self._damaged), "damaged picture")
            notes.append(f"{count} of {len(self._images.files)} left out: {self._damage()}")
        return notes

    def _placed(self, file: Path) -> tuple[np.ndarray, Placement]:
        return photographs.placed(file, self._shape, self._fit, self.white)

    def _tried(self, file: Path, look: Callable[[Path], _T]) -> _T | None:
        """Return the result of ``look``; None for a damaged file of a folder."""
        if file in self._damaged:
            return None
        try:
            return _looked_at(file, look)
        except UserError as error:
            if file not in self._images.of_folders:
                raise
            self._damaged[file] = error.what
            return None

    def _raise_unreadable(self) -> NoReturn:
        folders = ", ".join(map(str, self._images.folders))
        raise UserError(f"no picture can be read: {self._damage()}", folders)

    def _damage(self) -> str:
        named = [f"{file.name} ({reason})" for file, reason in self._damaged.items()]
        more = len(named) - _MOST_NAMED
        return ", ".join(named[:_MOST_NAMED] + ([f"and {more} more"] if more > 0 else []))


def upright(file: Path, white: int) -> Image.Image:
    """Return a whole picture as a viewer shows it, 8 bits a channel, on white.

    Raises:
        UserError: it cannot be read.
    """

    def picture(file: Path) -> Image.Image:
        with Image.open(file) as opened:
            found = Picture(opened).eight_bits(white)
            found.load()
            return found

    return _looked_at(file, picture)


def _stacked(batch: list[tuple[Path, np.ndarray, Placement]]) -> FittedImages:
    found, images, placements = zip(*batch, strict=True)
    return FittedImages(list(found), np.stack(images).astype(np.float32), list(placements))


def _looked_at(file: Path, look: Callable[[Path], _T]) -> _T:
    """Return the result of ``look`` for an image file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return look(file)
    except Exception as error:  # Pillow's readers can raise anything
        if is_out_of_memory(error):
            raise
        reason = getattr(error, "strerror", None) or brief(error, 200)
        if type(error).__name__ == "UnidentifiedImageError":
            reason = "not an image"
        raise UserError(f"cannot be read: {reason}", str(file)) from None
