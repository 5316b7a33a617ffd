"""Residual networks: the base of ResNet, SENet and ResNeXt (stem, four stages, classifier)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnbench.models.families.layers import conv_bn, layers, pooled_classifier, squeeze_excite, tf


@dataclass(frozen=True)
class Unit:
    """A kind of residual unit.

    Attributes:
        bottleneck: 1x1, 3x3, 1x1 instead of two 3x3 (arXiv:1512.03385, fig. 5).
        stride_on_3x3: where a bottleneck halves the maps: v1.5 on its 3x3, v1 on its first 1x1.
        groups: of the 3x3 convolution, the cardinality (arXiv:1611.05431).
        group_width: maps of a group in the first stage; 64 where there is one group.
        se_ratio: reduction of the squeeze-and-excitation block (arXiv:1709.01507), 0 for none.
    """

    bottleneck: bool
    stride_on_3x3: bool = True
    groups: int = 1
    group_width: int = 64
    se_ratio: int = 0

    def __call__(self, x: Any, filters: int, strides: int, name: str) -> Any:
        """Add the unit to ``x``; ``filters`` is the stage's, 64 to 512 in the paper."""
        outputs = 4 * filters if self.bottleneck else filters
        residual = (self._bottleneck if self.bottleneck else self._basic)(x, filters, strides, name)
        if self.se_ratio:
            residual = squeeze_excite(residual, self.se_ratio, f"{name}_se")
        if strides != 1 or x.shape[-1] != outputs:
            x = conv_bn(x, outputs, 1, strides=strides, activation=None, name=f"{name}_0")
        x = layers.Add(name=f"{name}_add")([x, residual])
        return layers.Activation("relu", name=f"{name}_out")(x)

    def _basic(self, x: Any, filters: int, strides: int, name: str) -> Any:
        x = conv_bn(x, filters, 3, strides=strides, name=f"{name}_1")
        return conv_bn(x, filters, 3, activation=None, name=f"{name}_2")

    def _bottleneck(self, x: Any, filters: int, strides: int, name: str) -> Any:
        width = filters * self.group_width // 64 * self.groups
        first, second = (1, strides) if self.stride_on_3x3 else (strides, 1)
        x = conv_bn(x, width, 1, strides=first, name=f"{name}_1")
        x = conv_bn(x, width, 3, strides=second, groups=self.groups, name=f"{name}_2")
        return conv_bn(x, 4 * filters, 1, activation=None, name=f"{name}_3")


def residual_network(
    name: str,
    repeats: tuple[int, int, int, int],
    unit: Unit,
    include_top: bool,
    input_shape: tuple[int, int, int],
    classes: int,
    classifier_activation: str | None,
    width: float = 1.0,
) -> Any:
    """Build the network of arXiv:1512.03385, Table 1, with any kind of unit.

    Args:
        name: of the model.
        repeats: units in each of the four stages.
        unit: what they are.
        include_top, input_shape, classes, classifier_activation: as in every builder.
        width: of all convolutions, relative to the paper's 64 to 512 filters.
    """
    first = max(round(64 * width), 1)
    inputs = x = tf.keras.Input(input_shape)
    x = conv_bn(x, first, 7, strides=2, name="conv1")
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool1")(x)
    for stage, count in enumerate(repeats):
        for number in range(count):
            strides = 2 if stage > 0 and number == 0 else 1
            x = unit(x, first * 2**stage, strides, f"conv{stage + 2}_block{number + 1}")
    if include_top:
        x = pooled_classifier(x, classes, classifier_activation)
    return tf.keras.Model(inputs, x, name=name)
