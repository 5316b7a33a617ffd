"""SE-ResNet-34, -50 and -101 (Hu et al. 2017, arXiv:1709.01507, Table 1), strides as in the paper.

For the strides of v1.5 write ``ResNet50V1_5[se_ratio=16]``.
"""

from __future__ import annotations

from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.residual import Unit, residual_network

preprocess_input = preprocessing.standardised


def SEResNet34(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    se_ratio: int = 16,
) -> Any:
    """ResNet-34 with squeeze-and-excitation: 21,958,868 trainable parameters."""
    unit = Unit(bottleneck=False, se_ratio=se_ratio)
    return residual_network(
        "se_resnet34", (3, 4, 6, 3), unit, include_top, input_shape, classes, classifier_activation
    )


def SEResNet50(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    se_ratio: int = 16,
) -> Any:
    """ResNet-50 with squeeze-and-excitation: 28,088,024 trainable parameters."""
    unit = Unit(bottleneck=True, stride_on_3x3=False, se_ratio=se_ratio)
    return residual_network(
        "se_resnet50", (3, 4, 6, 3), unit, include_top, input_shape, classes, classifier_activation
    )


def SEResNet101(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    se_ratio: int = 16,
) -> Any:
    """ResNet-101 with squeeze-and-excitation: 49,326,872 trainable parameters."""
    unit = Unit(bottleneck=True, stride_on_3x3=False, se_ratio=se_ratio)
    return residual_network(
        "se_resnet101",
        (3, 4, 23, 3),
        unit,
        include_top,
        input_shape,
        classes,
        classifier_activation,
    )
