"""ResNeXt-50 and -101 (Xie et al. 2016, arXiv:1611.05431, Table 1): grouped 3x3 convolutions.

The default is 32x4d; ``ResNeXt101[cardinality=64]`` is the paper's 64x4d.
"""

from __future__ import annotations

from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.residual import Unit, residual_network

preprocess_input = preprocessing.standardised


def ResNeXt50(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    cardinality: int = 32,
    group_width: int = 4,
    se_ratio: int = 0,
) -> Any:
    """25,028,904 trainable parameters at 32x4d."""
    unit = Unit(bottleneck=True, groups=cardinality, group_width=group_width, se_ratio=se_ratio)
    return residual_network(
        "resnext50", (3, 4, 6, 3), unit, include_top, input_shape, classes, classifier_activation
    )


def ResNeXt101(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    cardinality: int = 32,
    group_width: int = 4,
    se_ratio: int = 0,
) -> Any:
    """44,177,704 trainable parameters at 32x4d, 83,455,272 at 64x4d."""
    unit = Unit(bottleneck=True, groups=cardinality, group_width=group_width, se_ratio=se_ratio)
    return residual_network(
        "resnext101", (3, 4, 23, 3), unit, include_top, input_shape, classes, classifier_activation
    )
