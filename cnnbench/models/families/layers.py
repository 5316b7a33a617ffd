"""Groups of layers that several families share."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

layers = tf.keras.layers


def conv_bn(
    x: Any,
    filters: int,
    kernel_size: int,
    *,
    strides: int = 1,
    dilation: int = 1,
    groups: int = 1,
    name: str,
    **after: Any,
) -> Any:
    """Convolution without bias, then `normalised` with the arguments ``after``."""
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        dilation_rate=dilation,
        padding="same",
        groups=groups,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return normalised(x, name, **after)


def depthwise_bn(x: Any, kernel_size: int, *, strides: int = 1, name: str, **after: Any) -> Any:
    """Depthwise convolution without bias, then `normalised` with the arguments ``after``."""
    x = layers.DepthwiseConv2D(
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_dwconv",
    )(x)
    return normalised(x, name, **after)


def normalised(
    x: Any,
    name: str,
    activation: str | None = "relu",
    epsilon: float = 1e-5,
    momentum: float = 0.9,
) -> Any:
    """Batch normalisation, and the activation if there is one; ``leaky_relu`` has slope 0.1."""
    x = layers.BatchNormalization(epsilon=epsilon, momentum=momentum, name=f"{name}_bn")(x)
    if activation is None:
        return x
    if activation == "relu6":
        return layers.ReLU(6.0, name=f"{name}_act")(x)
    if activation == "leaky_relu":
        return layers.LeakyReLU(0.1, name=f"{name}_act")(x)
    return layers.Activation(activation, name=f"{name}_act")(x)


def pooled_classifier(x: Any, classes: int, activation: str | None, *, dropout: float = 0.0) -> Any:
    """Global average pooling, dropout if any, and the dense layer with its activation."""
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="top_dropout")(x)
    return layers.Dense(classes, activation=activation, name="predictions")(x)


def squeeze_excite(x: Any, ratio: int, name: str) -> Any:
    """Scale every map by a factor in 0..1 computed from all maps (arXiv:1709.01507).

    Args:
        ratio: maps divided by the units of the bottleneck.
    """
    channels = x.shape[-1]
    if ratio > channels:
        raise ValueError(f"se_ratio must be at most {channels}, the number of maps")
    scale = layers.GlobalAveragePooling2D(name=f"{name}_squeeze")(x)
    scale = layers.Dense(channels // ratio, activation="relu", name=f"{name}_reduce")(scale)
    scale = layers.Dense(channels, activation="sigmoid", name=f"{name}_expand")(scale)
    scale = layers.Reshape((1, 1, channels), name=f"{name}_reshape")(scale)
    return layers.Multiply(name=f"{name}_excite")([x, scale])
