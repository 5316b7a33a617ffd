"""Feature pyramid and the convolutions that all its levels share (FPN, RetinaNet)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnbench.models.families.layers import layers, tf


def feature_pyramid(maps: Sequence[Any], filters: int = 256, prefix: str = "") -> list[Any]:
    """Return P3 to P7 of the backbone's C3, C4 and C5 (arXiv:1612.03144; arXiv:1708.02002).

    A 1x1 convolution of each, the maps above enlarged to twice their size added, then a 3x3. P6 is
    a 3x3 with stride 2 of P5, as in torchvision (the paper takes C5), P7 one of P6 after a ReLU.

    Args:
        maps: ``(n, height, width, channels)``, each half as high and wide as the one before it;
            odd sizes are rounded up.
        filters: of every level.
        prefix: of the layers' names.
    """
    below = len(maps) + 3
    made: list[Any] = []
    above = None
    for level, one in zip(range(below - 1, 2, -1), reversed(maps), strict=True):
        lateral = layers.Conv2D(filters, 1, name=f"{prefix}lateral{level}")(one)
        if above is not None:
            enlarged = _enlarged(above, lateral.shape[1:3], f"{prefix}up{level}")
            lateral = layers.Add(name=f"{prefix}sum{level}")([lateral, enlarged])
        above = lateral
        made.insert(0, layers.Conv2D(filters, 3, padding="same", name=f"{prefix}p{level}")(lateral))
    halve = {"strides": 2, "padding": "same"}
    x = layers.Conv2D(filters, 3, name=f"{prefix}p{below}", **halve)(made[-1])
    made.append(x)
    x = layers.ReLU(name=f"{prefix}p{below}_act")(x)
    made.append(layers.Conv2D(filters, 3, name=f"{prefix}p{below + 1}", **halve)(x))
    return made


def _enlarged(x: Any, size: Sequence[int], name: str) -> Any:
    """Return maps of twice the height and width, cut to ``size``: the nearest value."""
    x = layers.UpSampling2D(2, name=name)(x)
    surplus = [now - wanted for now, wanted in zip(x.shape[1:3], size, strict=True)]
    if not any(surplus):
        return x
    return layers.Cropping2D([(0, many) for many in surplus], name=f"{name}_crop")(x)


def shared_predictions(
    maps: Sequence[Any],
    values: int,
    name: str,
    *,
    filters: int = 256,
    depth: int = 4,
    bias: float = 0.0,
) -> list[Any]:
    """Return ``values`` at every place of each level, by the same convolutions (RetinaNet, fig. 3).

    Args:
        maps: of the levels, ``(n, height, width, filters)``.
        values: of a place.
        name: of the convolutions.
        filters: of the hidden convolutions.
        depth: number of hidden 3x3 convolutions, each with a ReLU.
        bias: initial bias of the last one.
    """
    near_zero = tf.keras.initializers.RandomNormal(stddev=0.01)
    settings = {"padding": "same", "kernel_initializer": near_zero}
    stack = [
        layers.Conv2D(filters, 3, activation="relu", name=f"{name}_conv{number}", **settings)
        for number in range(1, depth + 1)
    ]
    initial = tf.keras.initializers.Constant(bias)
    stack.append(
        layers.Conv2D(values, 3, bias_initializer=initial, name=f"{name}_values", **settings)
    )
    made = []
    for one in maps:
        for layer in stack:
            one = layer(one)
        made.append(one)
    return made
