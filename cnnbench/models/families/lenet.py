"""LeNet-5 (LeCun et al. 1998, doi:10.1109/5.726791, sec. II.B; the chapter's Table 14-1)."""

from __future__ import annotations

from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.layers import layers, tf

preprocess_input = preprocessing.unit


def LeNet5(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (32, 32, 1),
    classes: int = 10,
    classifier_activation: str | None = "softmax",
    modern: bool = False,
) -> Any:
    """Seven layers: C1, S2, C3, S4, C5, F6 and the output.

    61,706 parameters and 416,520 MACs at 32x32x1 with 10 classes. As in later
    implementations, three details of 1998 are left out: the coefficients of the subsampling layers,
    the partial connections of C3, and the fixed bitmaps of the output, replaced by a dense layer.

    Args:
        input_shape: images of less than 32 pixels are padded with zeros to 32, as the paper pads
            its characters of 28.
        modern: ReLU and max pooling instead of tanh (also after subsampling) and average pooling.
    """
    activation = "relu" if modern else "tanh"

    def subsampled(x: Any, name: str) -> Any:
        if modern:
            return layers.MaxPooling2D(2, name=name)(x)
        return layers.Activation("tanh", name=f"{name}_tanh")(
            layers.AveragePooling2D(2, name=name)(x)
        )

    inputs = x = tf.keras.Input(input_shape)
    missing = [max(0, 32 - size) for size in input_shape[:2]]
    if any(missing):
        border = tuple((pixels // 2, pixels - pixels // 2) for pixels in missing)
        x = layers.ZeroPadding2D(border, name="pad")(x)
    x = layers.Conv2D(6, 5, activation=activation, name="C1")(x)
    x = subsampled(x, "S2")
    x = layers.Conv2D(16, 5, activation=activation, name="C3")(x)
    x = subsampled(x, "S4")
    x = layers.Conv2D(120, 5, activation=activation, name="C5")(x)
    if include_top:
        x = layers.Flatten(name="flatten")(x)
        x = layers.Dense(84, activation=activation, name="F6")(x)
        x = layers.Dense(classes, activation=classifier_activation, name="predictions")(x)
    return tf.keras.Model(inputs, x, name="lenet5")
