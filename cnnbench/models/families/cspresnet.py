"""CSPResNet-50 (Wang et al. 2019, arXiv:1911.11929, fig. 2): half of the maps skip each stage.

Every stage is like the two middle ones of the authors' csresnet50.cfg, as in timm. In that file the
first and last stage have a leaky ReLU after their projections, the first sends 64 maps through its
units, and the first pooling is 2 x 2.
"""

from __future__ import annotations

from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.layers import conv_bn, layers, pooled_classifier, tf

preprocess_input = preprocessing.standardised

# Filters and bottleneck units of each stage, of the authors' csresnet50.cfg.
_STAGES = ((128, 3), (256, 3), (512, 5), (1024, 2))


def CSPResNet50(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (256, 256, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
) -> Any:
    """21.62 M trainable parameters at 256x256x3."""
    inputs = x = tf.keras.Input(input_shape)
    x = conv_bn(x, 64, 7, strides=2, activation="leaky_relu", name="conv1")
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool1")(x)
    for number, (filters, units) in enumerate(_STAGES, start=2):
        x = _stage(x, filters, units, strides=1 if number == 2 else 2, name=f"stage{number}")
    if include_top:
        x = pooled_classifier(x, classes, classifier_activation)
    return tf.keras.Model(inputs, x, name="cspresnet50")


def _stage(x: Any, filters: int, units: int, strides: int, name: str) -> Any:
    """Merge two linear 1x1 projections, of which one goes through the units."""
    if strides != 1:
        x = conv_bn(
            x, x.shape[-1], 3, strides=strides, activation="leaky_relu", name=f"{name}_down"
        )
    passing = conv_bn(x, filters, 1, activation=None, name=f"{name}_part1")
    x = conv_bn(x, filters, 1, activation=None, name=f"{name}_part2")
    for number in range(1, units + 1):
        x = _bottleneck(x, filters, f"{name}_block{number}")
    x = conv_bn(x, filters, 1, activation="leaky_relu", name=f"{name}_transition")
    x = layers.Concatenate(name=f"{name}_merge")([passing, x])
    return conv_bn(x, filters, 1, activation="leaky_relu", name=f"{name}_out")


def _bottleneck(x: Any, filters: int, name: str) -> Any:
    residual = conv_bn(x, filters // 2, 1, activation="leaky_relu", name=f"{name}_1")
    residual = conv_bn(residual, filters // 2, 3, activation="leaky_relu", name=f"{name}_2")
    residual = conv_bn(residual, filters, 1, activation=None, name=f"{name}_3")
    x = layers.Add(name=f"{name}_add")([x, residual])
    return layers.LeakyReLU(0.1, name=f"{name}_out")(x)
