"""Feature pyramid and the convolutions that all its levels share (FPN, RetinaNet)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnbench.models.families.layers import layers, tf
from cnnbench.models.families.resnet import ResNet50V1_5


def resnet50(input_shape: tuple[int, int, int], frozen_norm: bool) -> Any:
    """Return torchvision's backbone of detectors: ResNet-50 without its top.

    Args:
        frozen_norm: keep its batch normalisation in inference mode.
    """
    backbone = ResNet50V1_5(include_top=False, input_shape=input_shape)
    if frozen_norm:
        for layer in backbone.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.trainable = False
    return backbone


def feature_pyramid(
    maps: Sequence[Any], filters: int = 256, prefix: str = "", extra: int = 2, finest: int = 3
) -> list[Any]:
    """Return P3 to P7 from the backbone's C3, C4 and C5 (arXiv:1612.03144; arXiv:1708.02002).

    P3 to P5 are a 1x1 convolution of the maps, plus the same sum of the next coarser maps upsampled
    by 2, then a 3x3 convolution. P6 is a 3x3 convolution of P5 with stride 2, as in torchvision (of
    C5 in the paper); P7 is another one, of P6 after a ReLU.

    Args:
        maps: ``(n, height, width, channels)``, each about half as high and wide as the one before.
        filters: filters of every level.
        prefix: prefix of the layers' names.
        extra: number of levels above those of the maps: P6 and P7.
        finest: number of the first level, in the names of layers.
    """
    below = len(maps) + finest
    made: list[Any] = []
    above = None
    for level, one in zip(range(below - 1, finest - 1, -1), reversed(maps), strict=True):
        lateral = layers.Conv2D(filters, 1, name=f"{prefix}lateral{level}")(one)
        if above is not None:
            enlarged = _enlarged(above, lateral.shape[1:3], f"{prefix}up{level}")
            lateral = layers.Add(name=f"{prefix}sum{level}")([lateral, enlarged])
        above = lateral
        made.insert(0, layers.Conv2D(filters, 3, padding="same", name=f"{prefix}p{level}")(lateral))
    for level in range(below, below + extra):
        x = made[-1]
        if level > below:
            x = layers.ReLU(name=f"{prefix}p{level - 1}_act")(x)
        made.append(
            layers.Conv2D(filters, 3, strides=2, padding="same", name=f"{prefix}p{level}")(x)
        )
    return made


def _enlarged(x: Any, size: Sequence[int], name: str) -> Any:
    """Return maps upsampled to ``size`` by an integer factor (nearest neighbour).

    Maps that become too large are cropped at the end, since downsampling with padding "same" begins
    at the first position. Maps that stay too small are padded with zeros on all sides, since
    downsampling without padding leaves them in the middle.
    """
    pairs = list(zip(x.shape[1:3], size, strict=True))
    factors = [max(round(wanted / now), 1) for now, wanted in pairs]
    x = layers.UpSampling2D(factors, name=name)(x)
    missing = [wanted - factor * now for factor, (now, wanted) in zip(factors, pairs, strict=True)]
    if any(many < 0 for many in missing):
        x = layers.Cropping2D([(0, max(-many, 0)) for many in missing], name=f"{name}_crop")(x)
    if any(many > 0 for many in missing):
        around = [(max(many, 0) // 2, max(many, 0) - max(many, 0) // 2) for many in missing]
        x = layers.ZeroPadding2D(around, name=f"{name}_pad")(x)
    return x


def shared_predictions(
    maps: Sequence[Any],
    values: int,
    name: str,
    *,
    filters: int = 256,
    depth: int = 4,
    bias: float = 0.0,
    kernel_initializer: Any = None,
) -> list[Any]:
    """Return ``values`` at every position of all levels, by shared convolutions (RetinaNet fig. 3).

    Args:
        maps: maps of the levels, ``(n, height, width, filters)``.
        values: number of values per position.
        name: prefix of the names of the convolutions.
        filters: filters of the hidden convolutions.
        depth: number of hidden 3x3 convolutions, each with a ReLU.
        bias: initial bias of the last convolution.
        kernel_initializer: initializer of the hidden convolutions; by default near zero, as for the
            last one.
    """
    near_zero = tf.keras.initializers.RandomNormal(stddev=0.01)
    hidden = {"activation": "relu", "kernel_initializer": kernel_initializer or near_zero}
    stack = [
        layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv{number}", **hidden)
        for number in range(1, depth + 1)
    ]
    last = {
        "kernel_initializer": near_zero,
        "bias_initializer": tf.keras.initializers.Constant(bias),
    }
    stack.append(layers.Conv2D(values, 3, padding="same", name=f"{name}_values", **last))
    made = []
    for one in maps:
        for layer in stack:
            one = layer(one)
        made.append(one)
    return made
