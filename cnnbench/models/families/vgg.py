"""VGG-11 and VGG-13 (Simonyan, Zisserman 2014, arXiv:1409.1556, Table 1); Keras has 16 and 19.

As in Keras, the dropout after the two hidden dense layers in the paper is left out.
"""

from __future__ import annotations

from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.layers import layers, tf

preprocess_input = preprocessing.centred

# 3x3 convolutions before each max pooling.
_CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2)}


def VGG11(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
) -> Any:
    """Column A: 132,863,336 parameters and 7,609,090,048 MACs at 224x224x3."""
    return _vgg(11, include_top, input_shape, classes, classifier_activation)


def VGG13(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
) -> Any:
    """Column B: 133,047,848 parameters and 11,308,466,176 MACs at 224x224x3."""
    return _vgg(13, include_top, input_shape, classes, classifier_activation)


def _vgg(
    depth: int,
    include_top: bool,
    input_shape: tuple[int, int, int],
    classes: int,
    classifier_activation: str | None,
) -> Any:
    inputs = x = tf.keras.Input(input_shape)
    for block, (count, filters) in enumerate(
        zip(_CONVOLUTIONS[depth], (64, 128, 256, 512, 512), strict=True), start=1
    ):
        for number in range(1, count + 1):
            x = layers.Conv2D(
                filters, 3, padding="same", activation="relu", name=f"block{block}_conv{number}"
            )(x)
        x = layers.MaxPooling2D(name=f"block{block}_pool")(x)
    if include_top:
        x = layers.Flatten(name="flatten")(x)
        x = layers.Dense(4096, activation="relu", name="fc1")(x)
        x = layers.Dense(4096, activation="relu", name="fc2")(x)
        x = layers.Dense(classes, activation=classifier_activation, name="predictions")(x)
    return tf.keras.Model(inputs, x, name=f"vgg{depth}")
