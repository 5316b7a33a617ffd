"""EfficientNet-Lite0 to Lite4 (Google 2020; EfficientNet: arXiv:1905.11946, Table 1).

EfficientNets for phones: no squeeze-and-excitation, ReLU6 instead of swish, and a stem, head and
outer stages of constant size. The authors' "MAdds" count normalisation and
activations too: 3 to 6 % more than the multiply-adds of convolutions and dense layers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cnnbench.models.families.layers import conv_bn, depthwise_bn, layers, pooled_classifier, tf

# Stages of EfficientNet-B0: units, kernel size, stride of the first, expansion, filters.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# Width, depth and dropout of Lite0 to Lite4.
_SCALES = ((1.0, 1.0, 0.2), (1.0, 1.1, 0.2), (1.1, 1.2, 0.3), (1.2, 1.4, 0.3), (1.4, 1.8, 0.3))
_BATCH_NORM: dict[str, Any] = {"momentum": 0.99, "epsilon": 1e-3}
_RELU6: dict[str, Any] = {**_BATCH_NORM, "activation": "relu6"}


def preprocess_input(images: Any) -> Any:
    """Scale 0..255 to about -1..1: subtract 127, divide by 128."""
    return (images - np.float32(127)) / np.float32(128)


def EfficientNetLite0(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
) -> Any:
    """4.7 M parameters and 407 M "MAdds" at 224x224x3, as the authors print them."""
    return _efficientnet_lite(0, include_top, input_shape, classes, classifier_activation)


def EfficientNetLite1(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (240, 240, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
) -> Any:
    """5.4 M parameters and 631 M "MAdds" at 240x240x3, as the authors print them."""
    return _efficientnet_lite(1, include_top, input_shape, classes, classifier_activation)


def EfficientNetLite2(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (260, 260, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
) -> Any:
    """6.1 M parameters and 899 M "MAdds" at 260x260x3, as the authors print them."""
    return _efficientnet_lite(2, include_top, input_shape, classes, classifier_activation)


def EfficientNetLite3(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (280, 280, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
) -> Any:
    """8.2 M parameters and 1.44 G "MAdds" at 280x280x3, as the authors print them."""
    return _efficientnet_lite(3, include_top, input_shape, classes, classifier_activation)


def EfficientNetLite4(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (300, 300, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
) -> Any:
    """13.0 M parameters and 2.64 G "MAdds" at 300x300x3, as the authors print them."""
    return _efficientnet_lite(4, include_top, input_shape, classes, classifier_activation)


def _efficientnet_lite(
    number: int,
    include_top: bool,
    input_shape: tuple[int, int, int],
    classes: int,
    classifier_activation: str | None,
) -> Any:
    width, depth, dropout = _SCALES[number]
    inputs = x = tf.keras.Input(input_shape)
    x = conv_bn(x, 32, 3, strides=2, name="stem", **_RELU6)
    for stage, (units, kernel_size, strides, expansion, filters) in enumerate(_STAGES, start=1):
        outer = stage in (1, len(_STAGES))
        for unit in range(units if outer else math.ceil(depth * units)):
            x = _unit(
                x,
                _rounded(filters * width),
                kernel_size,
                strides if unit == 0 else 1,
                expansion,
                f"stage{stage}_block{unit + 1}",
            )
    x = conv_bn(x, 1280, 1, name="head", **_RELU6)
    if include_top:
        x = pooled_classifier(x, classes, classifier_activation, dropout=dropout)
    return tf.keras.Model(inputs, x, name=f"efficientnet_lite{number}")


def _unit(x: Any, filters: int, kernel_size: int, strides: int, expansion: int, name: str) -> Any:
    """An inverted residual with a linear bottleneck (arXiv:1801.04381, sec. 3.3)."""
    inputs = x
    if expansion != 1:
        x = conv_bn(x, expansion * x.shape[-1], 1, name=f"{name}_expand", **_RELU6)
    x = depthwise_bn(x, kernel_size, strides=strides, name=f"{name}_depth", **_RELU6)
    x = conv_bn(x, filters, 1, activation=None, name=f"{name}_project", **_BATCH_NORM)
    if strides == 1 and inputs.shape[-1] == filters:
        x = layers.Add(name=f"{name}_add")([inputs, x])
    return x


def _rounded(filters: float) -> int:
    """Round to a multiple of 8, never more than 10 % down."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded
