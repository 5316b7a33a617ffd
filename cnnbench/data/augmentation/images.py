"""Random changes of images alone, by Keras layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cnnbench.data.augmentation.settings import Augment
from cnnbench.data.pictures import Size, sides

_FLIPS = {"horizontal": "horizontal", "vertical": "vertical", "both": "horizontal_and_vertical"}


def layers(augment: Augment, size: Size, seed: int) -> list[Any]:
    """Return the layers that ``augment`` names, in a fixed order, for images of that size.

    Images are in 0..255. Each layer is called as ``layer(images, training=True)``; its random draws
    follow from ``seed``.
    """
    seeds = iter(range(seed * 16, seed * 16 + 16))
    return list(_layers(augment, size, seeds))


def _layers(augment: Augment, size: Size, seeds: Iterator[int]) -> Iterator[Any]:
    import tensorflow as tf

    make = tf.keras.layers
    if augment.flip != "none":
        yield make.RandomFlip(_FLIPS[augment.flip], seed=next(seeds))
    if augment.rotation:
        yield make.RandomRotation(augment.rotation, fill_mode="nearest", seed=next(seeds))
    if augment.translation:
        both = (augment.translation, augment.translation)
        yield make.RandomTranslation(*both, fill_mode="nearest", seed=next(seeds))
    if augment.zoom:
        yield make.RandomZoom(augment.zoom, fill_mode="nearest", seed=next(seeds))
    if augment.crop:
        # One window a batch; batches are drawn anew in every epoch.
        height, width = sides(size)
        yield make.ZeroPadding2D([max(1, round(augment.crop * side)) for side in (height, width)])
        yield make.RandomCrop(height, width, seed=next(seeds))
    if augment.contrast:
        yield make.RandomContrast(augment.contrast, seed=next(seeds))
    if augment.brightness:
        yield make.RandomBrightness(augment.brightness, seed=next(seeds))
