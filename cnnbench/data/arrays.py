"""Pictures that are arrays of one size already: cut, resized and given channels in batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnbench.data.pictures import Images, Labels, Size, sides

_CHUNK = 2048


class ArrayPictures:
    """Pictures in one uint8 array ``(n, h, w, c)``, c being 1 or 3."""

    def __init__(self, images: Images, labels: Labels) -> None:
        self._images = images
        self.labels = labels

    def read(self, indices: Labels, size: Size, channels: int) -> Images:
        out = np.empty((len(indices), *sides(size), channels), np.uint8)
        for start in range(0, len(indices), _CHUNK):
            rows = slice(start, start + _CHUNK)
            out[rows] = fitted(self._images[indices[rows]], size, channels)
        return out


def fitted(images: Any, size: Size, channels: int) -> Images:
    """Cut the centre of ``(n, h, w, c)`` out, resize it (bilinear), adapt the channels.

    The centre is the largest part that has the shape of ``size``.
    """
    import tensorflow as tf

    height, width = sides(size)
    scale = min(images.shape[1] / height, images.shape[2] / width)
    cut = max(1, round(scale * height)), max(1, round(scale * width))
    top, left = ((whole - part) // 2 for whole, part in zip(images.shape[1:3], cut, strict=True))
    images = images[:, top : top + cut[0], left : left + cut[1]]
    if channels == 1 and images.shape[3] == 3:
        images = tf.image.rgb_to_grayscale(images)
    if cut != (height, width):
        resized = tf.image.resize(images, (height, width), antialias=height < cut[0])
        images = tf.cast(tf.round(tf.clip_by_value(resized, 0.0, 255.0)), tf.uint8)
    if channels == 3 and images.shape[3] == 1:
        images = tf.repeat(images, 3, axis=3)
    return np.asarray(images)
