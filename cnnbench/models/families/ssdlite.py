"""SSDLite on MobileNetV3-Large (arXiv:1801.04381, sec. 6.2; arXiv:1905.02244, sec. 6.3).

The network of torchvision's ``ssdlite320_mobilenet_v3_large`` as it is trained from scratch: with
the reduced tail.
"""

from __future__ import annotations

from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.anchor_outputs import anchor_outputs
from cnnbench.models.families.layers import conv_bn, depthwise_bn, layers, tf
from cnnbench.models.families.mobilenet_v3 import NORMALISATION, reduced_trunk
from cnnbench.models.heads.anchors import default_box_sizes, even_level
from cnnbench.models.heads.coding import AnchorCoding

preprocess_input = preprocessing.signed

_EXTRA = (512, 256, 256, 128)  # filters of the extra layers, each with a stride of 2
_SCALES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0)
_RATIOS = (2, 3)
_RELU6: dict[str, Any] = {**NORMALISATION, "activation": "relu6"}


def SSDLite320(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (320, 320, 3),
    classes: int = 90,
) -> Any:
    """3,234 default boxes; 3,440,060 parameters and 0.583 G MACs with 90 classes, as torchvision.

    A logit of the background is added to those of the classes; torchvision's 91 classes include it.
    """
    inputs = tf.keras.Input(input_shape)
    middle, x = reduced_trunk(inputs)
    if not include_top:
        return tf.keras.Model(inputs, x, name="ssdlite320")
    maps = [middle, x]
    for number, filters in enumerate(_EXTRA, start=1):
        x = halved(x, filters, f"extra{number}", **_RELU6)
        maps.append(x)
    coding = _coding(maps)
    predicted: dict[str, list[Any]] = {"boxes": [], "classes": []}
    for number, (level, one) in enumerate(zip(coding.levels, maps, strict=True), start=1):
        for name, values in (("boxes", 4), ("classes", 1 + classes)):
            count = len(level.sizes) * values
            predicted[name].append(separable_prediction(one, count, f"{name}{number}", **_RELU6))
    outputs = anchor_outputs(predicted["boxes"], predicted["classes"], coding)
    return tf.keras.Model(inputs, outputs, name="ssdlite320")


def halved(x: Any, filters: int, name: str, **after: Any) -> Any:
    """Return an extra layer: a 1x1 to half the filters, a depthwise with stride 2, a 1x1 to all.

    ``after`` are the arguments of `layers.normalised`.
    """
    x = conv_bn(x, max(filters // 2, 1), 1, name=f"{name}_reduce", **after)
    x = depthwise_bn(x, 3, strides=2, name=f"{name}_depth", **after)
    return conv_bn(x, filters, 1, name=f"{name}_expand", **after)


def separable_prediction(x: Any, values: int, name: str, **after: Any) -> Any:
    """Return ``values`` at every position of the maps: a 3x3 depthwise convolution, then a 1x1.

    ``after`` are the arguments of `layers.normalised` after the first convolution.
    """
    x = depthwise_bn(x, 3, name=f"{name}_depth", **after)
    narrow = tf.keras.initializers.RandomNormal(stddev=0.03)
    return layers.Conv2D(values, 1, kernel_initializer=narrow, name=f"{name}_point")(x)


def _coding(maps: list[Any]) -> AnchorCoding:
    """Return the default boxes: six at the centre of every cell of the maps."""
    levels = tuple(
        even_level(one.shape[1:3], default_box_sizes(_SCALES[at], _SCALES[at + 1], _RATIOS))
        for at, one in enumerate(maps)
    )
    return AnchorCoding(levels, "softmax", (0.1, 0.2))
