"""The chapter's CNN for Fashion-MNIST (Géron, Hands-On Machine Learning, 3rd ed., ch. 14)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.layers import layers, model, tf

preprocess_input = preprocessing.unit


def BasicCNN(  # noqa: N802
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int, int, int] = (28, 28, 1),
    classes: int = 10,
    classifier_activation: str | None = "softmax",
    dropout: float = 0.5,
) -> Any:
    """One 7x7 convolution, then two pairs of 3x3 ones, each group followed by max pooling.

    1,413,834 parameters and 89,466,496 MACs at 28x28x1 with 10 classes.
    """

    def conv(x: Any, filters: int, kernel_size: int) -> Any:
        return layers.Conv2D(
            filters,
            kernel_size,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
        )(x)

    inputs = x = tf.keras.Input(input_shape)
    x = layers.MaxPooling2D()(conv(x, 64, 7))
    x = layers.MaxPooling2D()(conv(conv(x, 128, 3), 128, 3))
    x = layers.MaxPooling2D()(conv(conv(x, 256, 3), 256, 3))
    if include_top:
        x = layers.Flatten()(x)
        for units in (128, 64):
            x = layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x)
            x = layers.Dropout(dropout)(x)
        x = layers.Dense(classes, activation=classifier_activation, name="predictions")(x)
    return model(inputs, x, "basic_cnn", weights)
