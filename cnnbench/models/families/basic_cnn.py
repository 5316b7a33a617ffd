"""The chapter's CNN for Fashion-MNIST (Géron, Hands-On Machine Learning, 3rd ed., ch. 14)."""

from __future__ import annotations

from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.layers import layers, tf

preprocess_input = preprocessing.unit

# Each block: filters, and the kernel size of each of its convolutions.
_BLOCKS = ((64, (7,)), (128, (3, 3)), (256, (3, 3)))


def BasicCNN(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (28, 28, 1),
    classes: int = 10,
    classifier_activation: str | None = "softmax",
    dropout: float = 0.5,
    *,
    width: float = 1.0,
    batch_norm: bool = False,
) -> Any:
    """One 7x7 convolution, then two pairs of 3x3 ones, each group followed by max pooling.

    1,413,834 parameters and 89,466,496 MACs at 28x28x1 with 10 classes.

    Args:
        width: of the convolutions, relative to the chapter's 64, 128 and 256 filters.
        batch_norm: normalise between each convolution and its activation.
    """

    settings = {"activation": "relu", "kernel_initializer": "he_normal"}

    def convolution(x: Any, filters: int, size: int, name: str) -> Any:
        own = {"padding": "same", "kernel_initializer": "he_normal", "name": name}
        if not batch_norm:
            return layers.Conv2D(filters, size, activation="relu", **own)(x)
        x = layers.Conv2D(filters, size, use_bias=False, **own)(x)
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    inputs = x = tf.keras.Input(input_shape)
    for block, (filters, kernel_sizes) in enumerate(_BLOCKS, start=1):
        for number, size in enumerate(kernel_sizes, start=1):
            x = convolution(x, max(round(width * filters), 1), size, f"block{block}_conv{number}")
        x = layers.MaxPooling2D(name=f"block{block}_pool")(x)
    if include_top:
        x = layers.Flatten(name="flatten")(x)
        for number, units in enumerate((128, 64), start=1):
            x = layers.Dense(units, name=f"dense{number}", **settings)(x)
            x = layers.Dropout(dropout, name=f"dropout{number}")(x)
        x = layers.Dense(classes, activation=classifier_activation, name="predictions")(x)
    return tf.keras.Model(inputs, x, name="basic_cnn")
