"""Every architecture at other sizes, channels and class numbers; no weight is ever made."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.models.catalog import ENTRIES, Entry
from cnnbench.models.heads.coding import LAYER, GridCoding, of_json
from tests.models.built import weightless

CLASSES = 10
SMALL, GREY, OBLONG = (32, 32, 3), (28, 28, 1), (96, 80, 4)
# Their first dense layer sees every pixel of the last maps: parameters depend on the input size.
FLATTENED = {"BasicCNN", "LeNet5", "AlexNet", "ZFNet", "VGG11", "VGG13", "VGG16", "VGG19"}
FLATTENED |= {"YOLOv1"}
# A shallow one of each kind, ours and Keras', is built by the fast tests.
FAST = {"BasicCNN", "LeNet5", "AlexNet", "GoogLeNet", "VGG11", "ResNet18", "SqueezeNet"}
FAST |= {"ShuffleNetV2", "EfficientNetLite0", "VGG16", "MobileNetV2", "SSDLite320", "UNet"}


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
        _has_outputs(entry, network)
        if entry.task == "classification" and entry.name not in FLATTENED:
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
        _has_outputs(entry, network)
        assert _first_kernel(network).shape[2] == shape[2]
        for layer in network.layers:  # no map has vanished on the way
            assert math.prod(layer.output.shape[1:]) > 0, layer.name


def _has_outputs(entry: Entry, network: Any) -> None:
    """Ten classes of an image, of every pixel, or of every box that the network states."""
    if entry.task == "classification":
        assert network.output_shape == (None, CLASSES)
        return
    if entry.task == "segmentation":
        assert network.output_shape == (*network.input_shape[:3], CLASSES)
        return
    coding = of_json(network.get_layer(LAYER).coding)
    if isinstance(coding, GridCoding):
        values = 5 * coding.boxes + CLASSES
        assert network.output_shape == (None, coding.rows, coding.columns, values)
        return
    boxes, found = len(coding.anchors()), network.output
    logits = CLASSES + (coding.scores == "softmax")
    assert tuple(found["boxes"].shape) == (None, boxes, 4)
    assert tuple(found["classes"].shape) == (None, boxes, logits)


def _first_kernel(network: Any) -> Any:
    return next(weight for weight in network.weights if len(weight.shape) == 4)


def test_parameter_that_published_models_did_not_have_leaves_their_identity() -> None:
    before = {"classifier_activation": "softmax", "dropout": 0.5}
    assert registry.resolve("BasicCNN").identity()["parameters"] == before
    assert registry.resolve("BasicCNN[width=1.0,batch_norm=false]").identity() == (
        registry.resolve("BasicCNN").identity()
    )
    narrow = registry.resolve("BasicCNN[width=0.5]").identity()["parameters"]
    assert narrow == before | {"width": 0.5}


def test_narrow_trunk_with_batch_normalisation_is_counted_by_hand() -> None:
    model = registry.resolve("BasicCNN[width=0.25,batch_norm=true]")
    kernels = 49 * 16 + 9 * (16 * 32 + 32 * 32 + 32 * 64 + 64 * 64)
    with weightless(model, include_top=False) as network:
        assert network.count_params() == kernels + 4 * (16 + 2 * 32 + 2 * 64)
