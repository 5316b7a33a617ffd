"""Small networks for the tests of counting."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

layers = tf.keras.layers


def one(layer: Any, *shape: int) -> Any:
    """The model that applies one layer."""
    inputs = tf.keras.Input(shape)
    return tf.keras.Model(inputs, layer(inputs))


class ResidualUnit(layers.Layer):
    """The chapter's residual unit: a subclassed layer with layers inside."""

    def __init__(self, filters: int, strides: int = 1) -> None:
        super().__init__()
        self.main = [
            layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.Conv2D(filters, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
        ]
        self.skip = (
            [
                layers.Conv2D(filters, 1, strides=strides, padding="same", use_bias=False),
                layers.BatchNormalization(),
            ]
            if strides > 1
            else []
        )

    def call(self, inputs: Any) -> Any:
        z, skip = inputs, inputs
        for layer in self.main:
            z = layer(z)
        for layer in self.skip:
            skip = layer(skip)
        return tf.keras.activations.relu(z + skip)


def resnet34() -> Any:
    """The chapter's ResNet-34 with 10 classes."""
    model = tf.keras.Sequential(
        [
            layers.Input((224, 224, 3)),
            layers.Conv2D(64, 7, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.MaxPooling2D(3, strides=2, padding="same"),
        ]
    )
    before = 64
    for filters in [64] * 3 + [128] * 4 + [256] * 6 + [512] * 3:
        model.add(ResidualUnit(filters, 1 if filters == before else 2))
        before = filters
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(10, activation="softmax"))
    return model


class RawConvolution(layers.Layer):
    """A subclassed layer that calls ``tf.nn``: only tracing can count it."""

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(3, 3, shape[-1], 7), name="kernel")

    def call(self, inputs: Any) -> Any:
        return tf.nn.relu(tf.nn.conv2d(inputs, self.kernel, 1, "SAME", dilations=2))
