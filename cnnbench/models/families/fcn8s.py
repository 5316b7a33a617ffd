"""FCN-8s on VGG-16 (Long, Shelhamer, Darrell 2014, arXiv:1411.4038, sec. 4.2 and fig. 3)."""

from __future__ import annotations

from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.layers import layers, tf
from cnnbench.models.families.upsampling import enlarged, transposed_bilinear

preprocess_input = preprocessing.centred

# 3x3 convolutions of VGG-16, and their filters, before each max pooling.
_VGG = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


def FCN8s(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (500, 500, 3),
    classes: int = 21,
    width: int = 4096,
    dropout: float = 0.5,
) -> Any:
    """Logits ``(n, height, width, classes)``; 134,489,759 parameters with 21 classes.

    The dense layers of VGG-16 are convolutions, fc6 (7x7) and fc7. The scores of fc7 are enlarged
    by 2 and added to those of the fourth pooling, again by 2 and added to those of the third, then
    by 8. As in the paper pooling rounds up. Instead of padding the image by 100 px, fc6 is padded;
    the last transposed convolution is trained too, while the paper keeps it bilinear.

    Args:
        width: filters of fc6 and fc7.
        dropout: after fc6 and after fc7.
    """
    if width < 1:
        raise ValueError("width must be at least 1")
    if min(input_shape[:2]) < 2 ** len(_VGG):
        raise ValueError(f"the image must be at least {2 ** len(_VGG)} px high and wide")
    inputs = x = tf.keras.Input(input_shape)
    pools = []
    for block, (count, filters) in enumerate(_VGG, start=1):
        for number in range(1, count + 1):
            x = _convolution(x, filters, 3, f"block{block}_conv{number}")
        x = layers.MaxPooling2D(padding="same", name=f"block{block}_pool")(x)
        pools.append(x)
    for name, size in (("fc6", 7), ("fc7", 1)):
        x = _convolution(x, width, size, name)
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    if not include_top:
        return tf.keras.Model(inputs, x, name="fcn8s")
    x = layers.Conv2D(classes, 1, name="score")(x)
    for number in (4, 3):
        name, maps = f"up_pool{number}", pools[number - 1]
        x = enlarged(x, maps.shape[1:3], transposed_bilinear(name), name)
        # Near zero, as the paper's are zero: training starts from the scores of fc7.
        near_zero = tf.keras.initializers.RandomNormal(stddev=1e-4)
        score = layers.Conv2D(classes, 1, kernel_initializer=near_zero, name=f"score_pool{number}")(
            maps
        )
        x = layers.Add(name=f"sum_pool{number}")([x, score])
    x = enlarged(x, input_shape[:2], transposed_bilinear("up_image"), "up_image")
    return tf.keras.Model(inputs, x, name="fcn8s")


def _convolution(x: Any, filters: int, size: int, name: str) -> Any:
    return layers.Conv2D(filters, size, padding="same", activation="relu", name=name)(x)
