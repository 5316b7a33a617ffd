"""ZF Net (Zeiler, Fergus 2013, arXiv:1311.2901, fig. 3): AlexNet with a finer first layer."""

from __future__ import annotations

from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.layers import layers, tf
from cnnbench.models.families.own_layers import LocalResponseNormalization

preprocess_input = preprocessing.centred


def ZFNet(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    dropout: float = 0.5,
) -> Any:
    """Eight layers with weights; first 7x7 filters with stride 2, not AlexNet's 11x11 with 4.

    62,357,608 parameters and 1,168,032,896 MACs at 224x224x3. The figure's maps (110, 55, 26, 13,
    6) come out with a border of one pixel before the first layer.

    Args:
        dropout: rate after the two hidden dense layers (sec. 3).
    """
    inputs = x = tf.keras.Input(input_shape)
    x = layers.ZeroPadding2D(1, name="pad")(x)
    x = layers.Conv2D(96, 7, strides=2, activation="relu", name="conv1")(x)
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool1")(x)
    x = LocalResponseNormalization(name="lrn1")(x)
    x = layers.Conv2D(256, 5, strides=2, activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool2")(x)
    x = LocalResponseNormalization(name="lrn2")(x)
    for number, filters in enumerate((384, 384, 256), start=3):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{number}")(x)
    x = layers.MaxPooling2D(3, 2, name="pool5")(x)
    if include_top:
        x = layers.Flatten(name="flatten")(x)
        for number in (6, 7):
            x = layers.Dense(4096, activation="relu", name=f"dense{number}")(x)
            x = layers.Dropout(dropout, name=f"dropout{number}")(x)
        x = layers.Dense(classes, activation=classifier_activation, name="predictions")(x)
    return tf.keras.Model(inputs, x, name="zfnet")
