"""Every architecture at other sizes, channels and class numbers; no weight is ever made."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.models.catalog import ENTRIES, Entry
from tests.models.built import weightless

CLASSES = 10
SMALL, GREY, OBLONG = (32, 32, 3), (28, 28, 1), (96, 80, 4)
# Their first dense layer sees every pixel of the last maps: parameters depend on the input size.
FLATTENED = {"BasicCNN", "LeNet5", "AlexNet", "ZFNet", "VGG11", "VGG13", "VGG16", "VGG19"}
# The smallest of each family of ours, and a few of Keras', are built by the fast tests.
FAST = {"BasicCNN", "LeNet5", "AlexNet", "GoogLeNet", "VGG11", "ResNet18", "SEResNet34"}
FAST |= {"ResNeXt50", "CSPResNet50", "SqueezeNet", "SqueezeNet1_1", "ShuffleNetV2"}
FAST |= {"EfficientNetLite0", "VGG16", "MobileNetV2", "ConvNeXtTiny"}


def _allowed(entry: Entry, shape: tuple[int, int, int]) -> bool:
    return min(shape[:2]) >= (entry.min_size or 1)


EVERY = [
    pytest.param(e, id=e.name, marks=[] if e.name in FAST else [pytest.mark.slow])
    for e in ENTRIES.values()
]


@pytest.mark.parametrize("shape", [SMALL, GREY], ids=["32x32x3", "28x28x1"])
def test_too_small_a_size_is_rejected_with_the_smallest(
    shape: tuple[int, int, int],
) -> None:
    height, width, channels = shape
    for entry in ENTRIES.values():
        if _allowed(entry, shape):
            continue
        with pytest.raises(UserError) as caught:
            registry.resolve(f"{entry.name}[input_shape={height}x{width}x{channels},classes=10]")
        assert str(caught.value) == (
            f"{entry.name} cannot be built at {height}x{width}x{channels} "
            f"(its smallest size is {entry.min_size}x{entry.min_size})"
        )


@pytest.mark.parametrize("entry", [e for e in EVERY if _allowed(e.values[0], SMALL)])
def test_builds_ten_classes_at_32_pixels(entry: Entry) -> None:
    model = registry.resolve(entry.name)
    with weightless(model, input_shape=SMALL, classes=CLASSES) as network:
        assert network.input_shape == (None, *SMALL)
        assert network.output_shape == (None, CLASSES)
        if entry.name not in FLATTENED:
            # Only the classifier, the last kernel and bias, differs from the catalogue's network.
            features = network.weights[-2].shape[-2]
            less = (entry.classes - CLASSES) * (features + 1)
            assert network.count_params() == (entry.params or 0) - less


@pytest.mark.parametrize("name", sorted(FLATTENED))
def test_parameters_at_the_default_size_equal_the_catalogue(name: str) -> None:
    with weightless(registry.resolve(name)) as network:
        assert network.count_params() == ENTRIES[name].params


@pytest.mark.parametrize("entry", [e for e in EVERY if _allowed(e.values[0], GREY)])
def test_builds_ten_classes_of_grey_images_of_28_pixels(entry: Entry) -> None:
    _builds(entry, GREY)


@pytest.mark.slow
@pytest.mark.parametrize("entry", EVERY)
def test_builds_one_channel_at_the_smallest_size(entry: Entry) -> None:
    _builds(entry, (entry.min_size or 1, entry.min_size or 1, 1))


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(entry, id=entry.name)
        for entry in ENTRIES.values()
        if entry.source == "cnnbench" and (entry.min_size or 1) > 1
    ],
)
def test_own_builders_fail_below_their_smallest_size(entry: Entry) -> None:
    # Asked directly, past the check of the registry: so that the size it names is the smallest.
    import importlib

    module, _, name = entry.builder.partition(":")
    builder = getattr(importlib.import_module(module), name)
    size = (entry.min_size or 1) - 1
    with pytest.raises(ValueError, match=r"negative|zero|not positive|must be"):
        builder(input_shape=(size, size, 3))


@pytest.mark.slow
@pytest.mark.parametrize("entry", EVERY)
def test_builds_a_backbone_of_four_channels_and_unequal_sides(entry: Entry) -> None:
    model = registry.resolve(entry.name)
    with weightless(model, input_shape=OBLONG, include_top=False) as network:
        assert len(network.output_shape) == 4
        assert _first_kernel(network).shape[2] == OBLONG[2]


def _builds(entry: Entry, shape: tuple[int, int, int]) -> None:
    model = registry.resolve(entry.name)
    with weightless(model, input_shape=shape, classes=CLASSES) as network:
        assert network.input_shape == (None, *shape)
        assert network.output_shape == (None, CLASSES)
        assert _first_kernel(network).shape[2] == shape[2]
        for layer in network.layers:  # no map has vanished on the way
            assert math.prod(layer.output.shape[1:]) > 0, layer.name


def _first_kernel(network: Any) -> Any:
    return next(weight for weight in network.weights if len(weight.shape) == 4)


def test_a_parameter_that_an_architecture_got_later_changes_no_identity_at_its_default() -> None:
    names = ("BasicCNN", "BasicCNN[width=1.0]", "BasicCNN[width=0.5]")
    plain, stated, wide = (registry.resolve(name).identity() for name in names)
    assert plain == stated
    assert "width" not in plain["parameters"] and "batch_norm" not in plain["parameters"]
    assert wide["parameters"] == {**plain["parameters"], "width": 0.5}
