"""ResNet-18 and -34, and the v1.5 of 50, 101 and 152 (He et al. 2015, arXiv:1512.03385, Table 1).

ResNet50, 101 and 152 themselves are Keras', which halve the maps on the first 1x1 of a unit, as
the paper does, and give their convolutions biases. Those here have neither: the stride is on the
3x3 (arXiv:1706.02677, sec. 5.1), the convolutions have no bias. ``se_ratio=16`` adds
squeeze-and-excitation to any of them.
"""

from __future__ import annotations

from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.residual import Unit, residual_network

preprocess_input = preprocessing.standardised


def ResNet18(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    se_ratio: int = 0,
    *,
    width: float = 1.0,
) -> Any:
    """11,689,512 trainable parameters and 1,814,073,344 MACs at 224x224x3.

    ``width`` is that of all convolutions, relative to the paper's 64 to 512 filters.
    """
    unit = Unit(bottleneck=False, se_ratio=se_ratio)
    return residual_network(
        "resnet18",
        (2, 2, 2, 2),
        unit,
        include_top,
        input_shape,
        classes,
        classifier_activation,
        width,
    )


def ResNet34(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    se_ratio: int = 0,
    *,
    width: float = 1.0,
) -> Any:
    """21,797,672 trainable parameters and 3,663,761,408 MACs at 224x224x3.

    ``width`` is that of all convolutions, relative to the paper's 64 to 512 filters.
    """
    unit = Unit(bottleneck=False, se_ratio=se_ratio)
    return residual_network(
        "resnet34",
        (3, 4, 6, 3),
        unit,
        include_top,
        input_shape,
        classes,
        classifier_activation,
        width,
    )


def ResNet50V1_5(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    se_ratio: int = 0,
) -> Any:
    """25,557,032 trainable parameters and 4,089,184,256 MACs at 224x224x3."""
    unit = Unit(bottleneck=True, se_ratio=se_ratio)
    return residual_network(
        "resnet50v1_5", (3, 4, 6, 3), unit, include_top, input_shape, classes, classifier_activation
    )


def ResNet101V1_5(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    se_ratio: int = 0,
) -> Any:
    """44,549,160 trainable parameters and 7,801,405,440 MACs at 224x224x3."""
    unit = Unit(bottleneck=True, se_ratio=se_ratio)
    return residual_network(
        "resnet101v1_5",
        (3, 4, 23, 3),
        unit,
        include_top,
        input_shape,
        classes,
        classifier_activation,
    )


def ResNet152V1_5(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    se_ratio: int = 0,
) -> Any:
    """60,192,808 trainable parameters and 11,513,626,624 MACs at 224x224x3."""
    unit = Unit(bottleneck=True, se_ratio=se_ratio)
    return residual_network(
        "resnet152v1_5",
        (3, 8, 36, 3),
        unit,
        include_top,
        input_shape,
        classes,
        classifier_activation,
    )
