"""Inception-v4 (Szegedy et al. 2016, arXiv:1602.07261, figs. 3 to 9); Keras has v3 and others."""

from __future__ import annotations

from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.layers import layers, normalised, pooled_classifier, tf

preprocess_input = preprocessing.signed

# A branch is a chain of convolutions, (filters, kernel), side by side with the others.
_Branch = tuple[tuple[int, tuple[int, int]], ...]
_ONE, _THREE, _ROW, _COLUMN = (1, 1), (3, 3), (1, 7), (7, 1)
_A: tuple[_Branch, ...] = (  # fig. 4
    ((96, _ONE),),
    ((64, _ONE), (96, _THREE)),
    ((64, _ONE), (96, _THREE), (96, _THREE)),
)
_B: tuple[_Branch, ...] = (  # fig. 5
    ((384, _ONE),),
    ((192, _ONE), (224, _ROW), (256, _COLUMN)),
    ((192, _ONE), (192, _ROW), (224, _COLUMN), (224, _ROW), (256, _COLUMN)),
)
# Halving modules: the last convolution of each branch has stride 2 and no padding.
_HALVING_A: tuple[_Branch, ...] = (  # fig. 7, with k, l, m, n of Table 1
    ((384, _THREE),),
    ((192, _ONE), (224, _THREE), (256, _THREE)),
)
_HALVING_B: tuple[_Branch, ...] = (  # fig. 8
    ((192, _ONE), (192, _THREE)),
    ((256, _ONE), (256, _ROW), (320, _COLUMN), (320, _THREE)),
)


def InceptionV4(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (299, 299, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
) -> Any:
    """A stem, 4 + 7 + 3 inception modules, and a halving between each kind.

    42,679,816 trainable parameters and 12,253,974,624 MACs at 299x299x3.
    """
    inputs = x = tf.keras.Input(input_shape)
    x = _stem(x)
    for number in range(1, 5):
        x = _module(x, _A, 96, f"a{number}")
    x = _halving(x, _HALVING_A, "halving_a")
    for number in range(1, 8):
        x = _module(x, _B, 128, f"b{number}")
    x = _halving(x, _HALVING_B, "halving_b")
    for number in range(1, 4):
        x = _widest(x, f"c{number}")
    if include_top:
        x = pooled_classifier(x, classes, classifier_activation, dropout=0.2)
    return tf.keras.Model(inputs, x, name="inception_v4")


def _conv(
    x: Any,
    filters: int,
    kernel: tuple[int, int],
    name: str,
    strides: int = 1,
    padding: str = "same",
) -> Any:
    x = layers.Conv2D(
        filters, kernel, strides=strides, padding=padding, use_bias=False, name=f"{name}_conv"
    )(x)
    return normalised(x, name, epsilon=1e-3)


def _stem(x: Any) -> Any:
    """Reduce 299 pixels to 384 maps of 35x35 (fig. 3)."""
    x = _conv(x, 32, _THREE, "stem1", strides=2, padding="valid")
    x = _conv(x, 32, _THREE, "stem2", padding="valid")
    x = _conv(x, 64, _THREE, "stem3")
    x = _halving(x, (((96, _THREE),),), "stem4")
    short = _conv(x, 64, _ONE, "stem5_short1")
    long = _conv(x, 64, _ONE, "stem5_long1")
    long = _conv(_conv(long, 64, _COLUMN, "stem5_long2"), 64, _ROW, "stem5_long3")
    branches = [
        _conv(short, 96, _THREE, "stem5_short2", padding="valid"),
        _conv(long, 96, _THREE, "stem5_long4", padding="valid"),
    ]
    x = layers.Concatenate(name="stem5")(branches)
    return _halving(x, (((192, _THREE),),), "stem6")


def _chain(x: Any, branch: _Branch, name: str) -> Any:
    for number, (filters, kernel) in enumerate(branch, start=1):
        x = _conv(x, filters, kernel, f"{name}_{number}")
    return x


def _pooled(x: Any, filters: int, name: str) -> Any:
    """Average pooling and a 1x1 convolution: one branch of every module."""
    x = layers.AveragePooling2D(3, 1, padding="same", name=f"{name}_pool")(x)
    return _conv(x, filters, _ONE, f"{name}_pooled")


def _module(x: Any, branches: tuple[_Branch, ...], pooled: int, name: str) -> Any:
    found = [_chain(x, branch, f"{name}_{place}") for place, branch in enumerate(branches, start=1)]
    return layers.Concatenate(name=name)([_pooled(x, pooled, name), *found])


def _halving(x: Any, branches: tuple[_Branch, ...], name: str) -> Any:
    """Max pooling in parallel with the branches, all with stride 2 and without padding."""
    found = [layers.MaxPooling2D(3, 2, name=f"{name}_pool")(x)]
    for place, (*chain, (filters, kernel)) in enumerate(branches, start=1):
        y = _chain(x, tuple(chain), f"{name}_{place}")
        found.append(_conv(y, filters, kernel, f"{name}_{place}_last", strides=2, padding="valid"))
    return layers.Concatenate(name=name)(found)


def _widest(x: Any, name: str) -> Any:
    """Two branches that end in a row and a column side by side (fig. 6)."""
    short = _conv(x, 384, _ONE, f"{name}_short")
    long = _chain(x, ((384, _ONE), (448, (1, 3)), (512, (3, 1))), f"{name}_long")
    branches = [_pooled(x, 256, name), _conv(x, 256, _ONE, f"{name}_one")]
    for kind, y in (("short", short), ("long", long)):
        branches.append(_conv(y, 256, (1, 3), f"{name}_{kind}_row"))
        branches.append(_conv(y, 256, (3, 1), f"{name}_{kind}_column"))
    return layers.Concatenate(name=name)(branches)
