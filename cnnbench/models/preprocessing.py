"""Preprocessing of images in 0..255: functions of arrays or tensors, and `PixelMap`, a form of them
that a file can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# The statistics of ImageNet's training images, per RGB channel, for images in 0..1.
MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)


def unit(images: Any) -> Any:
    """Scale 0..255 to 0..1."""
    return images / np.float32(255)


def signed(images: Any) -> Any:
    """Scale 0..255 to -1..1."""
    return images / np.float32(127.5) - np.float32(1)


def signed_by_128(images: Any) -> Any:
    """Scale 0..255 to -1..0.992, as EfficientNetV2-S, -M and -L do."""
    return images / np.float32(128) - np.float32(1)


def centred(images: Any) -> Any:
    """Subtract ImageNet's mean colour (AlexNet, sec. 2; GoogLeNet, sec. 6); not scaled."""
    return images - _per_channel(MEAN, images) * np.float32(255)


def standardised(images: Any) -> Any:
    """Scale to 0..1, subtract ImageNet's mean and divide by its standard deviation."""
    return (unit(images) - _per_channel(MEAN, images)) / _per_channel(DEVIATION, images)


def _per_channel(statistic: np.ndarray, images: Any) -> np.ndarray:
    """Return the statistic of each channel; if the images are not RGB, its mean."""
    return statistic if images.shape[-1] == 3 else statistic.mean()


@dataclass(frozen=True)
class PixelMap:
    """``matrix @ pixel + offset``, the pixel's channels in 0..255; `file_facts` stores it.

    The preprocessing of ``keras.applications`` and of most builders is linear in the channels of
    one pixel: scaling, centring, RGB to BGR. As a matrix and an offset it is data, not code.
    """

    matrix: np.ndarray
    offset: np.ndarray

    @classmethod
    def of(cls, preprocess: Callable[[Any], Any], channels: int) -> PixelMap | None:
        """Return the map that equals ``preprocess``; None if it is not linear in one pixel."""
        pixels = np.concatenate([np.zeros((1, channels)), 255 * np.eye(channels)])
        outputs = _apply(preprocess, pixels[:, None, None])[:, 0, 0].astype(np.float64)
        found = cls(((outputs[1:] - outputs[0]) / 255).T, outputs[0])
        images = np.random.default_rng(0).integers(0, 256, (2, 4, 4, channels))
        expected = _apply(preprocess, images)
        is_same = np.allclose(found(images), expected, rtol=1e-4, atol=1e-4)
        return found if is_same else None

    def __call__(self, images: Any) -> Any:
        """Map images ``(n, h, w, channels)`` in 0..255: an array, or a float32 tensor."""
        if not isinstance(images, np.ndarray):
            return images @ self.matrix.T.astype(np.float32) + self.offset.astype(np.float32)
        mapped = images.astype(np.float64) @ self.matrix.T + self.offset
        return mapped.astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return the map as JSON values."""
        return {"matrix": self.matrix.tolist(), "offset": self.offset.tolist()}

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> PixelMap:
        """Return the map that `to_json` gave as ``value``.

        Raises:
            TypeError, ValueError: it is not such a map.
        """
        matrix = np.asarray(value.get("matrix"), np.float64)
        offset = np.asarray(value.get("offset"), np.float64)
        channels = len(offset) if offset.ndim == 1 else 0
        if matrix.shape != (channels, channels) or not np.isfinite([*matrix.flat, *offset]).all():
            raise ValueError("not a valid pixel map")
        return cls(matrix, offset)


def _apply(preprocess: Callable[[Any], Any], images: np.ndarray) -> np.ndarray:
    return np.asarray(preprocess(images.astype(np.float32)), np.float32)
