"""Image files for a network: read, brought to the size of its input, and where they are in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from cnnbench.data import photographs, tones
from cnnbench.data.fitting import Placement
from cnnbench.data.pictures import Fit
from cnnbench.data.tones import Picture
from cnnbench.errors import UserError, brief, is_out_of_memory

_T = TypeVar("_T")


@dataclass(frozen=True)
class FittedImages:
    """Images of several files, fitted to one size.

    Attributes:
        pixels: float32 ``(n, height, width, channels)`` in 0..255.
        placements: of each picture in its image; pictures are upright.
        white: the value of white in pictures of more than 8 bits (`data.tones.white_level`).
        notes: remarks on how the pictures were interpreted.
    """

    pixels: np.ndarray
    placements: list[Placement]
    white: int
    notes: list[str]


def read(files: Sequence[Path], shape: tuple[int, ...], fit: Fit) -> FittedImages:
    """Read image files and fit them to ``(height, width, channels)``.

    Raises:
        UserError: a file cannot be read, or the network takes neither grey nor colour images.
    """
    channels = shape[-1]
    if channels not in (1, 3):
        raise UserError(
            f"the model takes images of {channels} channels", hint="image files give 1 or 3"
        )
    found = [_looked_at(file, photographs.tones_of) for file in files]
    white = tones.white_level(one.brightest for one in found)
    pixels: list[np.ndarray] = []
    placements: list[Placement] = []
    for file in files:
        image, placement = _looked_at(
            file, lambda file: photographs.placed(file, shape, fit, white)
        )
        pixels.append(image)
        placements.append(placement)
    return FittedImages(np.stack(pixels).astype(np.float32), placements, white, tones.notes(found))


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
