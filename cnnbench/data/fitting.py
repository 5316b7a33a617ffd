"""Fit a picture to the size of a network's input, and its boxes and masks with it.

A picture has a part that is shown (``source``) and a rectangle of the fitted image where it is
shown (``target``): ``crop`` shows the largest central part with the aspect ratio of the image
everywhere, ``stretch`` the whole picture everywhere, ``letterbox`` the whole picture in its own
aspect ratio at the centre, with middle grey beside it.

Every picture here is upright: what a viewer shows after it has followed the EXIF orientation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from cnnbench.data.pictures import Fit, Images

GREY = 127  # beside a letterboxed picture
LEAST_LEFT = 0.1  # of an object's area; one of which less is left after cropping is dropped

Boxes = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.int64]
Extent = tuple[float, float, float, float]  # top, left, bottom, right


@dataclass(frozen=True)
class Placement:
    """The place of a picture in a fitted image.

    Attributes:
        picture: height and width of the upright picture, in px.
        size: height and width of the fitted image, in px.
        source: the part of the picture that is shown: top, left, bottom, right in its px.
        target: the rectangle of the fitted image where it is shown, in whole px of that image.

    Example:
        >>> placement = Placement.of((100, 200), (50, 50), "crop")  # shows columns 50 to 150
        >>> placement.boxes([[0.0, 0.5, 0.5, 1.0]]).tolist()
        [[0.0, 0.5, 0.5, 1.0]]
        >>> placement.back([[0.0, 0.5, 0.5, 1.0]]).tolist()
        [[0.0, 0.5, 0.5, 0.75]]
    """

    picture: tuple[int, int]
    size: tuple[int, int]
    source: Extent
    target: tuple[int, int, int, int]

    @classmethod
    def of(cls, picture_size: tuple[int, int], size: tuple[int, int], fit: Fit) -> Placement:
        """Return the place of a picture of ``(height, width)`` in an image of ``size``.

        Raises:
            ValueError: a side is shorter than 1 px, or there is no such ``fit``.
        """
        (high, wide), (height, width) = picture_size, size
        if min(high, wide, height, width) < 1:
            raise ValueError(f"{wide} x {high} px cannot be fitted to {width} x {height} px")
        source, target = (0.0, 0.0, float(high), float(wide)), (0, 0, height, width)
        if fit == "crop":
            source = _centre(high, wide, height, width)
        elif fit == "letterbox":
            scale = min(height / high, width / wide)
            tall, broad = max(1, round(high * scale)), max(1, round(wide * scale))
            top, left = (height - tall) // 2, (width - broad) // 2
            target = top, left, top + tall, left + broad
        elif fit != "stretch":
            raise ValueError(f"'{fit}' is none of crop, stretch, letterbox")
        return cls((high, wide), (height, width), source, target)

    def image(self, picture: Image.Image, channels: int) -> Images:
        """Return the fitted image, uint8 ``(h, w, channels)``.

        Args:
            picture: upright, 8 bits a channel, at any scale of ``self.picture``: a large JPEG may
                have been decoded at a fraction of its size.
            channels: 1 or 3.
        """
        height, width = self.size
        top, left, bottom, right = self.target
        colours = picture.convert("RGB" if channels == 3 else "L")
        down = _reduction(picture.height, self.picture[0])
        along = _reduction(picture.width, self.picture[1])
        y0, x0, y1, x1 = self.source
        # Rounding must not lead out of the picture, which Pillow refuses.
        right_edge, lower_edge = min(x1 * along, picture.width), min(y1 * down, picture.height)
        box = max(x0 * along, 0.0), max(y0 * down, 0.0), right_edge, lower_edge
        shown = colours.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box)
        image = np.full((height, width, channels), GREY, np.uint8)
        image[top:bottom, left:right] = np.asarray(shown, np.uint8).reshape(
            bottom - top, right - left, channels
        )
        return image

    @property
    def span(self) -> tuple[float, float]:
        """Height and width of what the whole fitted image stands for, in px of the picture."""
        (y, x), (down, right) = self.size, self._line()[1][:2].tolist()
        return y / down, x / right

    def boxes(self, boxes: npt.ArrayLike) -> Boxes:
        """Return boxes as fractions of the fitted image, clipped to it.

        Args:
            boxes: ``(k, 4)``: top, left, bottom, right as fractions of the picture.
        """
        return np.clip(self._moved(boxes), 0.0, 1.0)

    def back(self, boxes: npt.ArrayLike) -> Boxes:
        """Return boxes as fractions of the picture: the inverse of `boxes`, not clipped.

        Args:
            boxes: ``(k, 4)``, as fractions of the fitted image.
        """
        pixels = _rows(boxes) * np.tile(self.size, 2)
        offset, scale = self._line()
        return (pixels - offset) / scale / np.tile(self.picture, 2)

    def kept(self, boxes: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Return which boxes have at least a tenth of their area left in the image, ``(k,)``.

        Args:
            boxes: ``(k, 4)``, as fractions of the picture. One of no area is not kept.
        """
        whole = _areas(self._moved(boxes))
        left = _areas(self.boxes(boxes))
        return (whole > 0) & (left >= LEAST_LEFT * whole)

    def points(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return points ``(k, 2)`` in px of the fitted image, not clipped.

        Args:
            points: ``(k, 2)``: y and x as fractions of the picture.
        """
        offset, scale = self._line()
        pixels = np.asarray(points, np.float64).reshape(-1, 2) * self.picture
        return pixels * scale[:2] + offset[:2]

    def mask(self, mask: npt.NDArray[Any], outside: int = 0) -> npt.NDArray[Any]:
        """Return a mask ``(H, W)`` fitted to ``(h, w)``: the nearest pixel of each.

        Args:
            mask: of the picture, at any scale of it.
            outside: value beside a letterboxed picture.
        """
        top, left, bottom, right = self.target
        rows, columns = self.nearest(mask.shape[0], mask.shape[1])
        fitted = np.full(self.size, outside, mask.dtype)
        fitted[top:bottom, left:right] = mask[rows[:, None], columns]
        return fitted

    def mask_back(self, mask: npt.NDArray[Any], outside: int = 0) -> npt.NDArray[Any]:
        """Return a mask of the picture: the nearest pixel of a mask of the fitted image.

        Args:
            mask: ``(h, w)``, as large as the fitted image.
            outside: value of the pixels of the picture that are not shown.
        """
        places, shown = self._nearest_back()
        found = np.full(self.picture, outside, mask.dtype)
        found[np.ix_(*shown)] = mask[np.ix_(*(p[s] for p, s in zip(places, shown, strict=True)))]
        return found

    def pixels_back(self, mask: npt.NDArray[Any]) -> int:
        """Return the number of pixels in `mask_back` of a mask of booleans, without making it.

        Args:
            mask: ``(h, w)``, as large as the fitted image.
        """
        rows, columns = (
            np.bincount(place[shown], minlength=side)
            for place, shown, side in zip(*self._nearest_back(), self.size, strict=True)
        )
        return int(rows @ mask.astype(np.int64) @ columns)

    def _nearest_back(self) -> tuple[list[Pixels], list[npt.NDArray[np.bool_]]]:
        """Return the nearest row and column of the fitted image of each of the picture.

        And which of them are inside the fitted image.
        """
        offset, scale = self._line()
        places = [
            np.floor((np.arange(side) + 0.5) * scale[axis] + offset[axis]).astype(np.int64)
            for axis, side in enumerate(self.picture)
        ]
        shown = [
            (place >= 0) & (place < side) for place, side in zip(places, self.size, strict=True)
        ]
        return places, shown

    def nearest(self, height: int, width: int) -> tuple[Pixels, Pixels]:
        """Return the rows and columns of a mask of the picture that ``target`` shows.

        Args:
            height, width: of the mask.
        """
        top, left, bottom, right = self.target
        y0, x0, y1, x1 = self.source
        rows = _nearest(y0, y1, bottom - top, self.picture[0], height)
        return rows, _nearest(x0, x1, right - left, self.picture[1], width)

    def _line(self) -> tuple[Boxes, Boxes]:
        """Return offset and scale from px of the picture to px of the fitted image, ``(4,)``."""
        source, target = np.array(self.source), np.array(self.target, np.float64)
        scale = np.tile((target[2:] - target[:2]) / (source[2:] - source[:2]), 2)
        return np.tile(target[:2], 2) - np.tile(source[:2], 2) * scale, scale

    def _moved(self, boxes: npt.ArrayLike) -> Boxes:
        offset, scale = self._line()
        pixels = _rows(boxes) * np.tile(self.picture, 2) * scale + offset
        return pixels / np.tile(self.size, 2)


def _centre(high: int, wide: int, height: int, width: int) -> Extent:
    """Return the largest central part with the aspect ratio of ``height x width``.

    The arithmetic is that of `PIL.ImageOps.fit`, to the last bit.
    """
    ratio = width / height
    tall, broad = float(high), float(wide)
    if wide / high > ratio:
        broad = ratio * high
    elif wide / high < ratio:
        tall = wide / ratio
    top, left = (high - tall) * 0.5, (wide - broad) * 0.5
    return top, left, top + tall, left + broad


def _reduction(part: int, whole: int) -> float:
    """Return the scale of a picture of ``part`` px that has ``whole`` px at full size.

    A JPEG that is decoded at an eighth has the next whole number of px, of which the last shows
    less.
    """
    times = round(whole / part)
    return 1 / times if times and part == -(-whole // times) else part / whole


def _nearest(start: float, end: float, count: int, whole: int, pixels: int) -> Pixels:
    """Return the pixel under the centre of each of ``count`` steps from ``start`` to ``end``.

    ``start`` and ``end`` are in px of a side of ``whole`` px, of which the mask has ``pixels``.
    """
    centres = start + (np.arange(count) + 0.5) * ((end - start) / count)
    return np.clip((centres * (pixels / whole)).astype(np.int64), 0, pixels - 1)


def _rows(boxes: npt.ArrayLike) -> Boxes:
    return np.asarray(boxes, np.float64).reshape(-1, 4)


def _areas(boxes: Boxes) -> npt.NDArray[np.float64]:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    return sides[:, 0] * sides[:, 1]
