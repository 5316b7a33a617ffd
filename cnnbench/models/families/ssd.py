"""SSD300 on VGG-16 (Liu et al. 2015, "SSD: Single Shot MultiBox Detector", arXiv:1512.02325).

The network of torchvision's ``ssd300_vgg16``, which follows the authors' code where the paper gives
no details.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnbench.models.families.anchor_outputs import anchor_outputs
from cnnbench.models.families.layers import layers, tf
from cnnbench.models.families.own_layers import L2Normalization
from cnnbench.models.heads.anchors import centred_level, default_box_sizes
from cnnbench.models.heads.coding import AnchorCoding

_MEAN = np.array([123, 117, 104], dtype=np.float32)  # RGB, in 0..255

# 3x3 convolutions of VGG-16, and their filters, before each max pooling.
_VGG = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
# Filters of the 1x1 and the 3x3 convolution of each extra layer, and the stride of the 3x3.
_EXTRA = ((256, 512, 2), (128, 256, 2), (128, 256, 1), (128, 256, 1))
# Side of the default boxes on each of the six maps, in fractions of the image, and their ratios.
_SCALES = (0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05)
_RATIOS = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))
_STRIDES = (8, 16, 32, 64)  # px between the positions of the first four maps


def preprocess_input(images: Any) -> Any:
    """Subtract the mean colour of VGG-16's training images; RGB, not scaled."""
    return images - (_MEAN if images.shape[-1] == 3 else _MEAN.mean())


def SSD300(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (300, 300, 3),
    classes: int = 90,
) -> Any:
    """8,732 default boxes; 35,641,826 parameters and 34.86 G MACs with 90 classes, as torchvision.

    A logit of the background is added to those of the classes; torchvision's 91 classes include it.

    The 3x3 convolutions of the last two maps have no padding if their input is large enough.
    """
    inputs = x = tf.keras.Input(input_shape)
    maps = []
    for block, (count, filters) in enumerate(_VGG, start=1):
        for number in range(1, count + 1):
            x = _convolution(x, filters, 3, f"block{block}_conv{number}")
        if block == 4:
            maps.append(L2Normalization(20.0, name="conv4_3_norm")(x))
        last = block == len(_VGG)
        window = {"pool_size": 3, "strides": 1} if last else {"pool_size": 2}
        x = layers.MaxPooling2D(padding="same", name=f"block{block}_pool", **window)(x)
    x = _convolution(x, 1024, 3, "conv6", dilation_rate=6)
    x = _convolution(x, 1024, 1, "conv7")
    if not include_top:
        return tf.keras.Model(inputs, x, name="ssd300")
    maps.append(x)
    for number, (narrow, wide, strides) in enumerate(_EXTRA, start=8):
        x = _convolution(x, narrow, 1, f"conv{number}_1")
        fits = min(x.shape[1:3]) >= 3
        padding = "valid" if strides == 1 and fits else "same"
        x = _convolution(x, wide, 3, f"conv{number}_2", strides=strides, padding=padding)
        maps.append(x)
    coding = _coding(maps, input_shape)
    predicted: dict[str, list[Any]] = {"boxes": [], "classes": []}
    for number, (level, one) in enumerate(zip(coding.levels, maps, strict=True), start=1):
        for name, values in (("boxes", 4), ("classes", 1 + classes)):
            convolution = layers.Conv2D(
                len(level.sizes) * values, 3, padding="same", name=f"{name}{number}"
            )
            predicted[name].append(convolution(one))
    outputs = anchor_outputs(predicted["boxes"], predicted["classes"], coding)
    return tf.keras.Model(inputs, outputs, name="ssd300")


def _convolution(x: Any, filters: int, size: int, name: str, **settings: Any) -> Any:
    given = {"padding": "same", "activation": "relu", "name": name, **settings}
    return layers.Conv2D(filters, size, **given)(x)


def _coding(maps: list[Any], image: tuple[int, ...]) -> AnchorCoding:
    """Return the default boxes; those of the last two maps, without padding, divide the image."""
    levels = []
    for number, one in enumerate(maps):
        cells = tuple(one.shape[1:3])
        pixels = _STRIDES[number] if number < len(_STRIDES) else None
        step = [pixels / image[axis] if pixels else 1 / cells[axis] for axis in (0, 1)]
        sizes = default_box_sizes(_SCALES[number], _SCALES[number + 1], _RATIOS[number])
        levels.append(centred_level(cells, (step[0], step[1]), sizes))
    return AnchorCoding(tuple(levels), "softmax", (0.1, 0.2))
