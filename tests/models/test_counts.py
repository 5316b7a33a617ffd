"""Parameters and multiply-adds against what was published, each with its source."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import pytest

from cnnbench.models import registry
from tests.models.built import weightless
from tests.models.published import LITE_MADDS, PUBLISHED, ROUNDED_MACS, Published

# Deeper, wider and narrower ones of families whose other networks the fast tests count.
SLOW = {"VGG13", "InceptionV4", "ResNet34[classes=10]", "ResNet101V1_5", "ResNet152V1_5"}
SLOW |= {"GoogLeNet[se_ratio=16]", "ResNet50V1_5[se_ratio=16]", "SEResNet50", "SEResNet101"}
SLOW |= {"ResNeXt101", "ResNeXt101[cardinality=64]", "CSPResNet50"}
SLOW |= {f"ShuffleNetV2[alpha={alpha}]" for alpha in (0.5, 1.5, 2.0)}
SLOW |= {f"EfficientNetLite{size}" for size in (1, 2, 3, 4)}
SLOW |= {"SSD300", "SSD300[classes=20]", "RetinaNet[frozen_norm=true]"}
SLOW |= {"MaskRCNN[frozen_norm=true]"}


def marked(model: str, *values: object) -> Any:
    """Return a case of a parametrised test about ``model``."""
    return pytest.param(*values, id=model, marks=[pytest.mark.slow] if model in SLOW else [])


@cache
def counted(model: str) -> tuple[int, int, int]:
    """Return parameters, trainable parameters and multiply-adds."""
    from cnnbench.analysis import inspect

    with weightless(registry.resolve(model)) as network:
        trainable = sum(math.prod(weight.shape) for weight in network.trainable_weights)
        return network.count_params(), trainable, int(inspect(network).metrics["macs"])


def test_the_slow_ones_are_published() -> None:
    assert {row.model for row in PUBLISHED} > SLOW


@pytest.mark.parametrize("row", [marked(row.model, row) for row in PUBLISHED])
def test_counts_equal_the_published_ones(row: Published) -> None:
    total, trainable, macs = counted(row.model)
    found = Published(
        row.model,
        row.source,
        total if row.total else None,
        trainable if row.trainable else None,
        macs if row.macs else None,
    )
    assert found == row


@pytest.mark.parametrize(
    ("name", "macs", "source"), [marked(name, name, *of) for name, *of in ROUNDED_MACS]
)
def test_macs_are_within_two_percent_of_rounded_published_ones(
    name: str, macs: float, source: str
) -> None:
    assert counted(name)[2] == pytest.approx(macs, rel=0.02), source


@pytest.mark.parametrize(
    ("name", "madds"),
    [marked(name, name, madds) for name, madds in LITE_MADDS.items()],
)
def test_efficientnet_lite_counts_more_than_multiply_adds(name: str, madds: float) -> None:
    assert 1.03 < madds / counted(name)[2] < 1.06


def test_squeezenet_has_the_map_sizes_of_its_paper() -> None:
    # arXiv:1602.07360 Table 1: 111x111 after conv1, then 55, 27 and 13 after the poolings.
    with weightless(registry.resolve("SqueezeNet")) as model:
        heights = [
            model.get_layer(name).output.shape[1] for name in ("conv1", "pool1", "pool4", "pool8")
        ]
    assert heights == [111, 55, 27, 13]


def test_resnet_projects_only_where_shapes_differ() -> None:
    # ResNet-34 halves three times; ResNet-50's first stage widens as well.
    for name, projections in (("ResNet34", 3), ("ResNet50V1_5", 4)):
        with weightless(registry.resolve(name)) as model:
            shortcuts = [layer for layer in model.layers if layer.name.endswith("_0_conv")]
        assert len(shortcuts) == projections


def test_googlenet_with_auxiliary_heads_has_three_outputs() -> None:
    # arXiv:1409.4842 sec. 5: each adds a 1x1 of 128, 1024 units on 4x4x128, and the classes.
    head_4a = 512 * 128 + 128 + 4 * 4 * 128 * 1024 + 1024 + 1024 * 1000 + 1000
    head_4d = 528 * 128 + 128 + 4 * 4 * 128 * 1024 + 1024 + 1024 * 1000 + 1000
    with weightless(registry.resolve("GoogLeNet[aux_heads=true]")) as model:
        assert [tuple(output.shape) for output in model.outputs] == [(None, 1000)] * 3
        assert model.count_params() == 6_998_552 + head_4a + head_4d
