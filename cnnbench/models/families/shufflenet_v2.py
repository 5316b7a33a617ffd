"""ShuffleNet V2 (Ma et al. 2018, arXiv:1807.11164, Table 5 and fig. 3)."""

from __future__ import annotations

from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.layers import conv_bn, depthwise_bn, layers, pooled_classifier, tf
from cnnbench.models.families.own_layers import ChannelSlice

preprocess_input = preprocessing.standardised

# Filters of stages 2 to 4 and of conv5, by width (Table 5).
_FILTERS = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}
_UNITS = (4, 8, 4)


def ShuffleNetV2(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    alpha: float = 1.0,
) -> Any:
    """2,278,604 trainable parameters and 145 M MACs at 224x224x3.

    Args:
        alpha: the width: 0.5, 1.0, 1.5 or 2.0.
    """
    if alpha not in _FILTERS:
        raise ValueError(f"alpha is one of {', '.join(map(str, _FILTERS))}, not {alpha}")
    *stages, last = _FILTERS[alpha]
    inputs = x = tf.keras.Input(input_shape)
    x = conv_bn(x, 24, 3, strides=2, name="conv1")
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool1")(x)
    for stage, (filters, units) in enumerate(zip(stages, _UNITS, strict=True), start=2):
        x = _halving_unit(x, filters, f"stage{stage}_block1")
        for number in range(2, units + 1):
            x = _unit(x, filters, f"stage{stage}_block{number}")
    x = conv_bn(x, last, 1, name="conv5")
    if include_top:
        x = pooled_classifier(x, classes, classifier_activation)
    return tf.keras.Model(inputs, x, name="shufflenet_v2")


def _unit(x: Any, filters: int, name: str) -> Any:
    """Convolve half of the channels, keep the other half, then shuffle all (fig. 3c)."""
    half = filters // 2
    passing = ChannelSlice(0, half, name=f"{name}_passing")(x)
    x = ChannelSlice(half, filters, name=f"{name}_taken")(x)
    return _shuffled([passing, _branch(x, half, 1, name)], name)


def _halving_unit(x: Any, filters: int, name: str) -> Any:
    """Use all channels in both branches, which halve the maps (fig. 3d)."""
    half = filters // 2
    other = depthwise_bn(x, 3, strides=2, activation=None, name=f"{name}_other1")
    other = conv_bn(other, half, 1, name=f"{name}_other2")
    return _shuffled([other, _branch(x, half, 2, name)], name)


def _branch(x: Any, filters: int, strides: int, name: str) -> Any:
    x = conv_bn(x, filters, 1, name=f"{name}_1")
    x = depthwise_bn(x, 3, strides=strides, activation=None, name=f"{name}_2")
    return conv_bn(x, filters, 1, name=f"{name}_3")


def _shuffled(branches: list[Any], name: str) -> Any:
    """Concatenate two branches and interleave their channels."""
    x = layers.Concatenate(name=f"{name}_concat")(branches)
    height, width, channels = x.shape[1:]
    x = layers.Reshape((height, width, 2, channels // 2), name=f"{name}_groups")(x)
    x = layers.Permute((1, 2, 4, 3), name=f"{name}_shuffle")(x)
    return layers.Reshape((height, width, channels), name=f"{name}_out")(x)
