"""The architectures against the tables and figures of their papers, layer for layer."""

from __future__ import annotations

from typing import Any

import pytest

from cnnbench.models import registry
from tests.models.built import weightless

# The chapter's Table 14-2: layer, maps, size, kernel, stride, padding, activation.
TABLE_14_2 = [
    ("C1", 96, 55, 11, 4, "valid", "relu"),
    ("S2", 96, 27, 3, 2, "valid", None),
    ("C3", 256, 27, 5, 1, "same", "relu"),
    ("S4", 256, 13, 3, 2, "valid", None),
    ("C5", 384, 13, 3, 1, "same", "relu"),
    ("C6", 384, 13, 3, 1, "same", "relu"),
    ("C7", 256, 13, 3, 1, "same", "relu"),
    ("S8", 256, 6, 3, 2, "valid", None),
]
# arXiv:1409.4842, Table 1: height and maps of each module's output.
GOOGLENET = {
    "3a": (28, 256),
    "3b": (28, 480),
    "4a": (14, 512),
    "4b": (14, 512),
    "4c": (14, 512),
    "4d": (14, 528),
    "4e": (14, 832),
    "5a": (7, 832),
    "5b": (7, 1024),
}
# arXiv:1807.11164, Table 5: height and maps after each stage, at width 1.
SHUFFLENET = {
    "conv1_act": (112, 24),
    "pool1": (56, 24),
    "stage2_block4_out": (28, 116),
    "stage3_block8_out": (14, 232),
    "stage4_block4_out": (7, 464),
    "conv5_act": (7, 1024),
}


def test_alexnet_equals_the_chapters_table() -> None:
    with weightless(registry.resolve("AlexNet")) as network:
        names = [layer.name for layer in network.layers]
        for name, maps, size, kernel, stride, padding, activation in TABLE_14_2:
            layer = network.get_layer(name)
            assert layer.output.shape[1:] == (size, size, maps), name
            window = layer.kernel_size if name[0] == "C" else layer.pool_size
            assert window == (kernel, kernel), name
            assert layer.strides == (stride, stride), name
            assert layer.padding == padding, name
            if activation:
                assert layer.activation.__name__ == activation, name
        for name, units in (("F9", 4096), ("F10", 4096), ("predictions", 1000)):
            assert network.get_layer(name).units == units
        assert network.get_layer("predictions").activation.__name__ == "softmax"
        # Normalised after C1 and C3: r = 5, α = 0.0001, β = 0.75, k = 2. Dropout of 50 %.
        for name in ("C1", "C3"):
            assert names[names.index(name) + 1] == f"{name}_lrn"
            norm = network.get_layer(f"{name}_lrn")
            assert (norm.size, norm.alpha, norm.beta, norm.k) == (5, 1e-4, 0.75, 2)
        for name in ("F9", "F10"):
            assert names[names.index(name) + 1] == f"{name}_dropout"
            assert network.get_layer(f"{name}_dropout").rate == 0.5


def test_the_original_alexnet_splits_c3_c6_and_c7() -> None:
    with weightless(registry.resolve("AlexNet[groups=2]")) as network:
        groups = {name: network.get_layer(name).groups for name in ("C1", "C3", "C5", "C6", "C7")}
    assert groups == {"C1": 1, "C3": 2, "C5": 1, "C6": 2, "C7": 2}


def test_googlenet_has_nine_inception_modules() -> None:
    with weightless(registry.resolve("GoogLeNet")) as network:
        found = {
            layer.name.removeprefix("inception_"): (layer.output.shape[1], layer.output.shape[3])
            for layer in network.layers
            if type(layer).__name__ == "Concatenate"
        }
        assert len(network.outputs) == 1
    assert found == GOOGLENET


@pytest.mark.parametrize(
    ("name", "activation", "pooling"),
    [
        ("LeNet5", "tanh", "AveragePooling2D"),
        ("LeNet5[modern=true]", "relu", "MaxPooling2D"),
    ],
)
def test_lenet_modern_uses_relu_and_max_pooling(name: str, activation: str, pooling: str) -> None:
    with weightless(registry.resolve(name)) as network:
        for layer in ("C1", "C3", "C5", "F6"):
            assert network.get_layer(layer).activation.__name__ == activation
        for layer in ("S2", "S4"):
            assert type(network.get_layer(layer)).__name__ == pooling
        shapes = {n: tuple(network.get_layer(n).output.shape[1:]) for n in ("C1", "S2", "C3", "S4")}
        assert network.get_layer("predictions").activation.__name__ == "softmax"
    assert shapes == {"C1": (28, 28, 6), "S2": (14, 14, 6), "C3": (10, 10, 16), "S4": (5, 5, 16)}


def test_v1_halves_on_the_first_1x1_and_v1_5_on_the_3x3() -> None:
    # arXiv:1512.03385, Table 1; arXiv:1706.02677, sec. 5.1. Keras' own ResNet50 is v1.
    for name, first, second in (
        ("ResNet50", 2, 1),
        ("SEResNet50", 2, 1),
        ("ResNet50V1_5", 1, 2),
        ("ResNeXt50", 1, 2),
    ):
        with weightless(registry.resolve(name)) as network:
            strides = [_conv(network, f"conv3_block1_{n}_conv").strides[0] for n in (1, 2)]
        assert strides == [first, second], name


def test_a_basic_unit_has_two_3x3_and_a_bottleneck_one_between_1x1() -> None:
    for name, kernels in (("ResNet34", [3, 3]), ("ResNet50V1_5", [1, 3, 1])):
        with weightless(registry.resolve(name)) as network:
            found = [
                _conv(network, f"conv2_block2_{n}_conv").kernel_size[0]
                for n in range(1, len(kernels) + 1)
            ]
        assert found == kernels


@pytest.mark.parametrize(
    "name", ["ResNet18[se_ratio=16]", "ResNet50V1_5[se_ratio=8]", "ResNeXt50[se_ratio=16]"]
)
def test_squeeze_and_excitation_is_a_parameter(name: str) -> None:
    # arXiv:1709.01507, sec. 3: in every unit, a bottleneck of C/r, and a sigmoid's scale a map.
    ratio = 8 if "=8" in name else 16
    with weightless(registry.resolve(name)) as network:
        reduces = [layer for layer in network.layers if layer.name.endswith("_se_reduce")]
        assert len(reduces) == sum(layer.name.endswith("_add") for layer in network.layers)
        for reduce in reduces:
            expand = network.get_layer(reduce.name.replace("reduce", "expand"))
            assert reduce.units == expand.units // ratio
            assert expand.activation.__name__ == "sigmoid"


def test_resnext_groups_its_3x3() -> None:
    # arXiv:1611.05431, Table 1: 32 groups of 4 maps in the first stage.
    with weightless(registry.resolve("ResNeXt50")) as network:
        conv = _conv(network, "conv2_block1_2_conv")
        assert (conv.groups, conv.filters) == (32, 128)
        assert tuple(conv.kernel.shape) == (3, 3, 4, 128)


def test_shufflenet_equals_table_5_of_its_paper() -> None:
    with weightless(registry.resolve("ShuffleNetV2")) as network:
        for name, (size, maps) in SHUFFLENET.items():
            assert tuple(network.get_layer(name).output.shape[1:]) == (size, size, maps), name


def test_efficientnet_lite_has_no_squeeze_and_no_swish() -> None:
    with weightless(registry.resolve("EfficientNetLite0")) as network:
        kinds = {type(layer).__name__ for layer in network.layers}
        limits = {layer.max_value for layer in network.layers if type(layer).__name__ == "ReLU"}
    assert "Multiply" not in kinds
    assert "Activation" not in kinds
    assert limits == {6.0}


def test_half_of_the_maps_skip_a_stage_of_cspresnet() -> None:
    with weightless(registry.resolve("CSPResNet50")) as network:
        merges = [layer for layer in network.layers if layer.name.endswith("_merge")]
        assert len(merges) == 4
        for merge in merges:
            passing, through = (tensor.shape[-1] for tensor in merge.input)
            assert passing == through == merge.output.shape[-1] // 2


def test_every_docstring_cites_its_paper() -> None:
    import importlib
    import re

    for entry in registry.entries():
        if entry.source == "cnnbench":
            module, _, name = entry.builder.partition(":")
            loaded = importlib.import_module(module)
            cited = f"{loaded.__doc__} {getattr(loaded, name).__doc__}"
            assert re.search(r"arXiv:|doi:|ch\. 14", cited), entry.name
            assert getattr(loaded, name).__doc__, entry.name


def _conv(network: Any, name: str) -> Any:
    return network.get_layer(name)
