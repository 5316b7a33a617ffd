"""Trunk of MobileNetV3-Large with a reduced tail, for detectors (arXiv:1905.02244, Table 1, 6.3).

Keras' ``MobileNetV3Large`` is the classifier. Here the units from a stride of 32 on have half the
channels, and the settings of batch normalisation are those of torchvision's SSDLite.
"""

from __future__ import annotations

from typing import Any

from cnnbench.models.families.layers import conv_bn, depthwise_bn, layers, tf

NORMALISATION: dict[str, Any] = {"epsilon": 1e-3, "momentum": 0.97}
_LINEAR: dict[str, Any] = {**NORMALISATION, "activation": None}

# Kernel size, expanded channels, channels, squeeze-and-excitation, activation, stride.
_UNITS = (
    (3, 16, 16, False, "relu", 1),
    (3, 64, 24, False, "relu", 2),
    (3, 72, 24, False, "relu", 1),
    (5, 72, 40, True, "relu", 2),
    (5, 120, 40, True, "relu", 1),
    (5, 120, 40, True, "relu", 1),
    (3, 240, 80, False, "hard_swish", 2),
    (3, 200, 80, False, "hard_swish", 1),
    (3, 184, 80, False, "hard_swish", 1),
    (3, 184, 80, False, "hard_swish", 1),
    (3, 480, 112, True, "hard_swish", 1),
    (3, 672, 112, True, "hard_swish", 1),
    (5, 672, 80, True, "hard_swish", 2),
    (5, 480, 80, True, "hard_swish", 1),
    (5, 480, 80, True, "hard_swish", 1),
)
_C4 = 13  # the unit whose depthwise convolution leads to a stride of 32


def reduced_trunk(inputs: Any) -> tuple[Any, Any]:
    """Return the maps that SSDLite reads: 672 at a stride of 16, and 480 at a stride of 32.

    The first are those of the expansion of the unit that halves them.
    """
    x = _activated(conv_bn(inputs, 16, 3, strides=2, **_LINEAR, name="stem"), "hard_swish", "stem")
    middle = None
    for number, (size, expanded, filters, excited, activation, strides) in enumerate(_UNITS, 1):
        name, shortcut = f"unit{number}", x
        if expanded != x.shape[-1]:
            x = conv_bn(x, expanded, 1, **_LINEAR, name=f"{name}_expand")
            x = _activated(x, activation, f"{name}_expand")
        if number == _C4:
            middle = x
        x = depthwise_bn(x, size, strides=strides, **_LINEAR, name=f"{name}_depth")
        x = _activated(x, activation, f"{name}_depth")
        if excited:
            x = _excited(x, f"{name}_se")
        x = conv_bn(x, filters, 1, **_LINEAR, name=f"{name}_project")
        if strides == 1 and shortcut.shape[-1] == filters:
            x = layers.Add(name=f"{name}_add")([shortcut, x])
    x = conv_bn(x, 480, 1, **_LINEAR, name="last")
    return middle, _activated(x, "hard_swish", "last")


def _activated(x: Any, activation: str, name: str) -> Any:
    if activation == "hard_swish" and not hasattr(tf.keras.activations, "hard_silu"):  # Keras 2
        return layers.Multiply(name=f"{name}_act")([x, _hard_sigmoid(x, name)])
    return layers.Activation(activation, name=f"{name}_act")(x)


def _hard_sigmoid(x: Any, name: str) -> Any:
    """Return ``x / 6 + 1 / 2`` clipped to 0..1; that of Keras 2 has another slope."""
    x = layers.Rescaling(1 / 6, offset=0.5, name=f"{name}_sixth")(x)
    return layers.ReLU(1.0, name=f"{name}_clip")(x)


def _excited(x: Any, name: str) -> Any:
    """Squeeze-and-excitation with a quarter of the maps, and a hard sigmoid."""
    channels = x.shape[-1]
    scale = layers.GlobalAveragePooling2D(name=f"{name}_squeeze")(x)
    scale = layers.Dense(_divisible(channels // 4), activation="relu", name=f"{name}_reduce")(scale)
    scale = _hard_sigmoid(layers.Dense(channels, name=f"{name}_expand")(scale), name)
    scale = layers.Reshape((1, 1, channels), name=f"{name}_reshape")(scale)
    return layers.Multiply(name=f"{name}_excite")([x, scale])


def _divisible(channels: int) -> int:
    """Round to a multiple of 8, never more than 10 % down."""
    rounded = max(8, (channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
