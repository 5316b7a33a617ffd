"""Images of various sizes in files or encoded bytes, decoded by Pillow."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from cnnbench.data.fitting import Placement
from cnnbench.data.pictures import Images, Labels, Size, sides
from cnnbench.data.tones import Picture, Tones

# Cameras make images above the limit of the warning; above twice the limit Pillow raises.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
_THREADS = 4  # Pillow releases the GIL while it decodes and resizes


class Photographs:
    """Encoded images.

    Args:
        sources: paths or bytes.
        labels: class of each, ``(n,)``.
        white: the value that stands for white in images of more than 8 bits (`tones.white_level`);
            by default it is found for each image.
    """

    def __init__(
        self, sources: Sequence[Path | bytes], labels: Labels, white: int | None = None
    ) -> None:
        self._sources = sources
        self._white = white
        self.labels = labels

    def read(self, indices: Labels, size: Size, channels: int) -> Images:
        height, width = sides(size)

        def one(index: int) -> Images:
            return decoded(self._sources[index], height, width, channels, self._white)

        out = np.empty((len(indices), height, width, channels), np.uint8)
        with ThreadPoolExecutor(_THREADS) as pool:
            for place, image in enumerate(pool.map(one, indices)):
                out[place] = image
        return out


def decoded(
    source: Path | bytes, height: int, width: int, channels: int, white: int | None = None
) -> Images:
    """Return the centre of one image, upright, as ``(height, width, channels)``.

    The aspect ratio is kept; what exceeds the requested one is cut off. Transparent parts become
    white; in an image of more than 8 bits, ``white`` is the value of white.

    Raises:
        ValueError: the range of its values is unknown.
    """
    side = max(height, width)
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
        picture.draft("RGB", (side, side))  # a large JPEG is decoded at a fraction of its size
        return fitted(Picture(picture).eight_bits(white), height, width, channels)


def tones_of(source: Path | bytes) -> Tones:
    """Return the properties of a picture that affect how its set is read.

    Raises:
        ValueError: the range of its values is unknown.
    """
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
        return Picture(picture).tones()


def fitted(picture: Image.Image, height: int, width: int, channels: int) -> Images:
    """Crop and resize an upright image of 8 bits per channel; see `decoded`."""
    placement = Placement.of((picture.height, picture.width), (height, width), "crop")
    return placement.image(picture, channels)
