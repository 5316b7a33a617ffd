"""Pictures that are arrays of one size already: cut, resized and given channels in batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnbench.data.pictures import Images, Labels

_CHUNK = 2048


class ArrayPictures:
    """Pictures in one uint8 array ``(n, h, w, c)``, c being 1 or 3."""

    def __init__(self, images: Images, labels: Labels) -> None:
        self._images = images
        self.labels = labels

    def read(self, indices: Labels, size: int, channels: int) -> Images:
        out = np.empty((len(indices), size, size, channels), np.uint8)
        for start in range(0, len(indices), _CHUNK):
            rows = slice(start, start + _CHUNK)
            out[rows] = fitted(self._images[indices[rows]], size, channels)
        return out


def fitted(images: Any, size: int, channels: int) -> Images:
    """Cut the centred square of ``(n, h, w, c)``, resize it (bilinear), adapt the channels."""
    import tensorflow as tf

    height, width = images.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    images = images[:, top : top + side, left : left + side]
    if channels == 1 and images.shape[3] == 3:
        images = tf.image.rgb_to_grayscale(images)
    if side != size:
        resized = tf.image.resize(images, (size, size), antialias=size < side)
        images = tf.cast(tf.round(tf.clip_by_value(resized, 0.0, 255.0)), tf.uint8)
    if channels == 3 and images.shape[3] == 1:
        images = tf.repeat(images, 3, axis=3)
    return np.asarray(images)
