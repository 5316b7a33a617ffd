"""The few groups of layers that several families share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

layers = tf.keras.layers


def conv_bn(
    x: Any,
    filters: int,
    kernel_size: int,
    *,
    strides: int = 1,
    groups: int = 1,
    activation: str | None = "relu",
    padding: str = "same",
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    name: str,
) -> Any:
    """Convolution without bias, batch normalisation, activation.

    ``padding='same'`` pads as PyTorch and the papers do, the same number of pixels on both sides,
    and not as TensorFlow does, which pads less on the left where the stride is not 1.
    """
    if padding == "same" and strides > 1:
        x = pad(x, kernel_size // 2, name=f"{name}_pad")
        padding = "valid"
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        groups=groups,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return bn_activation(x, activation, epsilon=epsilon, momentum=momentum, name=name)


def depthwise_bn(
    x: Any,
    kernel_size: int,
    *,
    strides: int = 1,
    activation: str | None = "relu",
    padding: str = "same",
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    name: str,
) -> Any:
    """Depthwise convolution without bias, batch normalisation, activation; TensorFlow's padding."""
    x = layers.DepthwiseConv2D(
        kernel_size,
        strides=strides,
        padding=padding,
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return bn_activation(x, activation, epsilon=epsilon, momentum=momentum, name=name)


def bn_activation(
    x: Any, activation: str | None, *, epsilon: float = 1e-5, momentum: float = 0.9, name: str
) -> Any:
    """Batch normalisation, then the activation if there is one."""
    x = layers.BatchNormalization(epsilon=epsilon, momentum=momentum, name=f"{name}_bn")(x)
    return x if activation is None else layers.Activation(activation, name=f"{name}_act")(x)


def pad(x: Any, pixels: int, *, name: str) -> Any:
    """Zeros on all four sides."""
    return layers.ZeroPadding2D(pixels, name=name)(x) if pixels else x


def max_pool(x: Any, pool_size: int, strides: int, *, name: str) -> Any:
    """Max pooling with the same padding on both sides, as PyTorch and the papers pad.

    The zeros never win: what is pooled is behind a ReLU.
    """
    x = pad(x, pool_size // 2, name=f"{name}_pad")
    return layers.MaxPooling2D(pool_size, strides, name=name)(x)


def pooled_classifier(x: Any, classes: int, activation: str | None, *, dropout: float = 0.0) -> Any:
    """Global average pooling, dropout if any, and the dense layer with its activation."""
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="top_dropout")(x)
    return layers.Dense(classes, activation=activation, name="predictions")(x)


def model(inputs: Any, outputs: Any, name: str, weights: str | Path | None) -> Any:
    """The ``keras.Model``, with the weights of a file if one is named."""
    made = tf.keras.Model(inputs, outputs, name=name)
    if weights is not None:
        made.load_weights(str(weights))
    return made
