"""Random changes of training images: their settings, and the Keras layers that make them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from cnnbench.data.pictures import Size, sides
from cnnbench.schema import StrictModel

_FLIPS = {"horizontal": "horizontal", "vertical": "vertical", "both": "horizontal_and_vertical"}


class Augment(StrictModel):
    """Random changes of training images, each off at its default.

    Attributes:
        flip: mirror with probability one half.
        rotation: up to this fraction of a full turn either way.
        translation: up to this fraction of the side in both directions.
        zoom: up to this fraction in or out.
        contrast: factor drawn from 1 - contrast .. 1 + contrast.
        brightness: up to this fraction of the value range either way.
        crop: pad by this fraction of the side with black, then cut a random window.
    """

    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    rotation: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    translation: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    zoom: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0
    brightness: Annotated[float, Field(ge=0, lt=1)] = 0.0
    crop: Annotated[float, Field(ge=0, le=0.5)] = 0.0

    def is_off(self) -> bool:
        """Return whether images pass unchanged."""
        return self == Augment()


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
