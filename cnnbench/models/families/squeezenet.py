"""SqueezeNet 1.0 and 1.1 (Iandola et al. 2016, arXiv:1602.07360, Table 1)."""

from __future__ import annotations

from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.layers import layers, tf

preprocess_input = preprocessing.centred

# Squeeze and expand filters of the modules fire2 to fire9.
_FIRES = [(squeeze, 4 * squeeze) for squeeze in (16, 16, 32, 32, 48, 48, 64, 64)]


def SqueezeNet(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (227, 227, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
) -> Any:
    """1,248,424 parameters. Only 227 pixels give the 111x111 maps of the paper's Table 1."""
    return _squeezenet(
        "squeezenet", (96, 7), (4, 8), include_top, input_shape, classes, classifier_activation
    )


def SqueezeNet1_1(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
) -> Any:
    """The authors' v1.1: a smaller stem, earlier pooling; 1,235,496 parameters, 349 M MACs."""
    return _squeezenet(
        "squeezenet1_1", (64, 3), (3, 5), include_top, input_shape, classes, classifier_activation
    )


def _squeezenet(
    name: str,
    first: tuple[int, int],
    pool_after: tuple[int, int],
    include_top: bool,
    input_shape: tuple[int, int, int],
    classes: int,
    classifier_activation: str | None,
) -> Any:
    inputs = x = tf.keras.Input(input_shape)
    filters, kernel_size = first
    x = layers.Conv2D(filters, kernel_size, strides=2, activation="relu", name="conv1")(x)
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    for number, (squeeze, expand) in enumerate(_FIRES, start=2):
        x = _fire(x, squeeze, expand, f"fire{number}")
        if number in pool_after:
            x = layers.MaxPooling2D(3, 2, name=f"pool{number}")(x)
    if include_top:
        x = layers.Dropout(0.5, name="dropout")(x)
        x = layers.Conv2D(classes, 1, activation="relu", name="conv10")(x)
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = layers.Activation(classifier_activation, name="predictions")(x)
    return tf.keras.Model(inputs, x, name=name)


def _fire(x: Any, squeeze: int, expand: int, name: str) -> Any:
    """Few 1x1 filters, then as many 1x1 as 3x3 ones side by side (fig. 1)."""
    x = layers.Conv2D(squeeze, 1, activation="relu", name=f"{name}_squeeze")(x)
    one = layers.Conv2D(expand, 1, activation="relu", name=f"{name}_1x1")(x)
    three = layers.Conv2D(expand, 3, padding="same", activation="relu", name=f"{name}_3x3")(x)
    return layers.Concatenate(name=name)([one, three])
