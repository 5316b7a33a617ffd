"""Parameters and multiply-adds against what was published, each with its source."""

from __future__ import annotations

import math

import pytest

from cnnbench.models import registry
from tests.models.built import weightless
from tests.models.published import LITE_MADDS, PUBLISHED, ROUNDED_MACS, Published


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row.model)
def test_counts_equal_the_published_ones(row: Published) -> None:
    from cnnbench.analysis import inspect

    with weightless(registry.resolve(row.model)) as model:
        found = Published(
            row.model,
            row.source,
            model.count_params() if row.total else None,
            _trainable(model) if row.trainable else None,
            int(inspect(model).metrics["macs"]) if row.macs else None,
        )
    assert found == row


@pytest.mark.parametrize(("name", "macs", "source"), ROUNDED_MACS)
def test_macs_are_within_two_percent_of_rounded_published_ones(
    name: str, macs: float, source: str
) -> None:
    assert _macs(name) == pytest.approx(macs, rel=0.02), source


@pytest.mark.parametrize(("size", "madds"), LITE_MADDS.items())
def test_efficientnet_lite_counts_more_than_multiply_adds(size: int, madds: float) -> None:
    assert 1.03 < madds / _macs(f"EfficientNetLite{size}") < 1.06


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


def _macs(name: str) -> int:
    from cnnbench.analysis import inspect

    with weightless(registry.resolve(name)) as model:
        return int(inspect(model).metrics["macs"])


def _trainable(model: object) -> int:
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)  # type: ignore[attr-defined]
