"""U-Net (Ronneberger, Fischer, Brox 2015, arXiv:1505.04597, fig. 1)."""

from __future__ import annotations

from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.layers import layers, tf
from cnnbench.models.families.upsampling import enlarged, up_convolution

preprocess_input = preprocessing.unit

_LEVELS = 5


def UNet(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (572, 572, 1),
    classes: int = 2,
    width: int = 64,
    batch_norm: bool = False,
    dropout: float = 0.5,
) -> Any:
    """Logits ``(n, height, width, classes)``; 31,030,658 parameters with one channel, 2 classes.

    The paper's convolutions have no padding, so that 572 px give a map of 388 px. As in most later
    implementations they are padded here: the output is as large as the image, and pooling rounds
    up.

    Args:
        width: filters of the first level; every further one has twice as many.
        batch_norm: normalise between each convolution and its activation; not in the paper.
        dropout: at the end of the contracting path.
    """
    if width < 1:
        raise ValueError("width must be at least 1")
    if min(input_shape[:2]) < 2 ** (_LEVELS - 1):
        raise ValueError(f"the image must be at least {2 ** (_LEVELS - 1)} px high and wide")
    inputs = x = tf.keras.Input(input_shape)
    skips = []
    for level in range(1, _LEVELS + 1):
        if level > 1:
            skips.append(x)
            x = layers.MaxPooling2D(padding="same", name=f"down{level}_pool")(x)
        x = _pair(x, width * 2 ** (level - 1), batch_norm, f"down{level}")
    x = layers.Dropout(dropout, name="dropout")(x)
    if not include_top:
        return tf.keras.Model(inputs, x, name="unet")
    for level in range(_LEVELS - 1, 0, -1):
        skip, filters = skips[level - 1], width * 2 ** (level - 1)
        name = f"up{level}"
        x = enlarged(x, skip.shape[1:3], up_convolution(filters, name), name)
        x = layers.Concatenate(name=f"{name}_skip")([skip, x])
        x = _pair(x, filters, batch_norm, name)
    x = layers.Conv2D(classes, 1, name="score")(x)
    return tf.keras.Model(inputs, x, name="unet")


def _pair(x: Any, filters: int, batch_norm: bool, name: str) -> Any:
    """Two 3x3 convolutions with ReLU."""
    for number in (1, 2):
        one = f"{name}_conv{number}"
        x = layers.Conv2D(
            filters, 3, padding="same", use_bias=not batch_norm,
            kernel_initializer="he_normal", name=one,
        )(x)  # fmt: skip
        if batch_norm:
            x = layers.BatchNormalization(name=f"{one}_bn")(x)
        x = layers.ReLU(name=f"{one}_relu")(x)
    return x
