"""Images in files or encoded bytes, each of its own size: decoded by Pillow."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from cnnbench.data.pictures import Images, Labels, Size, sides
from cnnbench.data.tones import Picture, Tones

# Large pictures are what cameras make; beyond twice as much Pillow refuses to read one.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
_THREADS = 4  # Pillow lets go of the interpreter while it decodes and resizes


class Photographs:
    """Encoded images.

    Args:
        sources: paths or bytes.
        labels: class of each, ``(n,)``.
        white_is: the value that stands for white in images of more than 8 bits (`tones.white`);
            by default each has a range of its own.
    """

    def __init__(
        self, sources: Sequence[Path | bytes], labels: Labels, white_is: int | None = None
    ) -> None:
        self._sources = sources
        self._white_is = white_is
        self.labels = labels

    def read(self, indices: Labels, size: Size, channels: int) -> Images:
        height, width = sides(size)

        def one(index: int) -> Images:
            return decoded(self._sources[index], height, width, channels, self._white_is)

        out = np.empty((len(indices), height, width, channels), np.uint8)
        with ThreadPoolExecutor(_THREADS) as pool:
            for place, image in enumerate(pool.map(one, indices)):
                out[place] = image
        return out


def decoded(
    source: Path | bytes, height: int, width: int, channels: int, white_is: int | None = None
) -> Images:
    """Return one image upright, as much of its centre as fits, as ``(height, width, channels)``.

    Nothing is stretched: the parts beyond the aspect ratio asked for are cut off.
    Transparent parts are white, and so is ``white_is`` where it has more than 8 bits.

    Raises:
        ValueError: its numbers have no range that is known.
    """
    side = max(height, width)
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
        picture.draft("RGB", (side, side))  # a large JPEG is decoded at a fraction of its size
        return fitted(Picture(picture).eight_bits(white_is), height, width, channels)


def tones_of(source: Path | bytes) -> Tones:
    """Return the properties of a picture that affect how its set is read.

    Raises:
        ValueError: its numbers have no range that is known.
    """
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
        return Picture(picture).tones()


def fitted(picture: Image.Image, height: int, width: int, channels: int) -> Images:
    """Return what `decoded` does, for an image that is upright and of 8 bits already."""
    colours = picture.convert("RGB" if channels == 3 else "L")
    cut = ImageOps.fit(colours, (width, height), Image.Resampling.BILINEAR)
    return np.asarray(cut, np.uint8).reshape(height, width, channels)
