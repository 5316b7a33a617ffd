"""GoogLeNet (Szegedy et al. 2014, arXiv:1409.4842, Table 1, fig. 3; the chapter's fig. 14-15)."""

from __future__ import annotations

from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.layers import layers, pooled_classifier, squeeze_excite, tf
from cnnbench.models.families.own_layers import LocalResponseNormalization

preprocess_input = preprocessing.centred

# Filters of each inception module: 1x1 | 3x3 reduce, 3x3 | 5x5 reduce, 5x5 | pool projection
# (Table 1; the chapter's figure has 12 for the first 5x5 reduce, where the paper has 16).
_MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
# The auxiliary heads need maps of 5x5 after four halvings.
_AUX_MIN_SIZE = 65


def GoogLeNet(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    aux_heads: bool = False,
    se_ratio: int = 0,
) -> Any:
    """22 layers with weights; nine inception modules of two layers each.

    6,998,552 parameters and 1,582,671,872 MACs at 224x224x3. (Table 1 of the paper adds up to
    6.8 M and 1.5 G, but its first row cannot be a 7x7 convolution from 3 to 64 maps.)

    Args:
        aux_heads: two more classifiers, on 4a and 4d (sec. 5): outputs ``[main, 4a, 4d]``, to be
            trained with loss weights 1, 0.3, 0.3.
        se_ratio: reduction of a squeeze-and-excitation block after every module, 0 for none:
            SE-Inception with 16 (arXiv:1709.01507, fig. 2).
    """
    if aux_heads and min(input_shape[:2]) < _AUX_MIN_SIZE:
        size = f"{_AUX_MIN_SIZE}x{_AUX_MIN_SIZE}"
        raise ValueError(f"the smallest size with auxiliary heads is {size}")
    inputs = x = tf.keras.Input(input_shape)
    x = _conv(x, 64, 7, "conv1", strides=2)
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool1")(x)
    x = LocalResponseNormalization(name="lrn1")(x)
    x = _conv(x, 64, 1, "conv2_reduce")
    x = _conv(x, 192, 3, "conv2")
    x = LocalResponseNormalization(name="lrn2")(x)
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool2")(x)

    heads = []
    for name, filters in _MODULES.items():
        if name in ("4a", "5a"):
            x = layers.MaxPooling2D(3, 2, padding="same", name=f"pool{int(name[0]) - 1}")(x)
        x = _inception(x, filters, f"inception_{name}")
        if se_ratio:
            x = squeeze_excite(x, se_ratio, f"inception_{name}_se")
        if aux_heads and include_top and name in ("4a", "4d"):
            heads.append(_aux_head(x, classes, classifier_activation, f"aux_{name}"))
    if include_top:
        x = pooled_classifier(x, classes, classifier_activation, dropout=0.4)
    return tf.keras.Model(inputs, [x, *heads] if heads else x, name="googlenet")


def _conv(x: Any, filters: int, kernel_size: int, name: str, strides: int = 1) -> Any:
    return layers.Conv2D(
        filters, kernel_size, strides=strides, padding="same", activation="relu", name=name
    )(x)


def _inception(x: Any, filters: tuple[int, ...], name: str) -> Any:
    """Four branches side by side, each output of the same height and width (fig. 2b)."""
    one, three_reduce, three, five_reduce, five, projection = filters
    pooled = layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(x)
    branches = [
        _conv(x, one, 1, f"{name}_1x1"),
        _conv(_conv(x, three_reduce, 1, f"{name}_3x3_reduce"), three, 3, f"{name}_3x3"),
        _conv(_conv(x, five_reduce, 1, f"{name}_5x5_reduce"), five, 5, f"{name}_5x5"),
        _conv(pooled, projection, 1, f"{name}_projection"),
    ]
    return layers.Concatenate(name=name)(branches)


def _aux_head(x: Any, classes: int, activation: str | None, name: str) -> Any:
    """5x5 average pooling, 128 1x1 filters, 1024 units, 70 % dropout, the classes (sec. 5)."""
    x = layers.AveragePooling2D(5, 3, name=f"{name}_pool")(x)
    x = _conv(x, 128, 1, f"{name}_conv")
    x = layers.Flatten(name=f"{name}_flatten")(x)
    x = layers.Dense(1024, activation="relu", name=f"{name}_dense")(x)
    x = layers.Dropout(0.7, name=f"{name}_dropout")(x)
    return layers.Dense(classes, activation=activation, name=f"{name}_predictions")(x)
