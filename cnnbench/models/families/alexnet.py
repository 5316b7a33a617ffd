"""AlexNet (Krizhevsky, Sutskever, Hinton 2012, doi:10.1145/3065386; the chapter's Table 14-2)."""

from __future__ import annotations

from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.layers import layers, tf
from cnnbench.models.families.own_layers import LocalResponseNormalization

preprocess_input = preprocessing.centred


def AlexNet(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (227, 227, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    groups: int = 1,
    dropout: float = 0.5,
) -> Any:
    """Eight layers with weights, local response normalisation after C1 and C3.

    62,378,344 parameters and 1,135,256,096 MACs at 227x227x3; with ``groups=2`` 60,965,224 and
    724,406,816. The paper says 224 pixels, but only 227 give its 55x55 maps without padding.

    Args:
        groups: 2 splits C3, C6 and C7 in two, as the paper did to fit two GPUs (its fig. 2).
        dropout: after F9 and F10 (sec. 4.2).
    """

    def conv(x: Any, filters: int, kernel_size: int, name: str, groups: int = 1) -> Any:
        return layers.Conv2D(
            filters, kernel_size, padding="same", activation="relu", groups=groups, name=name
        )(x)

    inputs = x = tf.keras.Input(input_shape)
    x = layers.Conv2D(96, 11, strides=4, activation="relu", name="C1")(x)
    x = LocalResponseNormalization(name="C1_lrn")(x)
    x = layers.MaxPooling2D(3, 2, name="S2")(x)
    x = conv(x, 256, 5, "C3", groups)
    x = LocalResponseNormalization(name="C3_lrn")(x)
    x = layers.MaxPooling2D(3, 2, name="S4")(x)
    x = conv(x, 384, 3, "C5")
    x = conv(x, 384, 3, "C6", groups)
    x = conv(x, 256, 3, "C7", groups)
    x = layers.MaxPooling2D(3, 2, name="S8")(x)
    if include_top:
        x = layers.Flatten(name="flatten")(x)
        for name in ("F9", "F10"):
            x = layers.Dense(4096, activation="relu", name=name)(x)
            x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
        x = layers.Dense(classes, activation=classifier_activation, name="predictions")(x)
    return tf.keras.Model(inputs, x, name="alexnet")
