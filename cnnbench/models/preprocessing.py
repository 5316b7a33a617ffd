"""Preprocessing functions for images in 0..255, given as NumPy arrays or tensors."""

from __future__ import annotations

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
