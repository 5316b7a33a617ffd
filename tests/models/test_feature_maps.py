"""The maps of each resolution, found in the graphs of backbones of several families."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.models.heads.feature_maps import from_finest, resolutions
from tests.models.built import weightless

layers = tf.keras.layers


def names(maps: list[Any]) -> list[str]:
    """Return the layers that made symbolic maps."""
    return [one._keras_history[0].name for one in maps]


def found(model: str, size: str) -> dict[str, int]:
    """Return layer -> rows of the maps of a backbone of the catalogue."""
    named = registry.resolve(f"{model}[input_shape={size}]")
    with weightless(named, include_top=False) as network:
        maps = resolutions(network)
        return dict(zip(names(maps), [one.shape[1] for one in maps], strict=True))


def test_the_maps_before_each_pooling_of_a_sequential_network() -> None:
    assert found("BasicCNN", "112x112x1") == {
        "block1_conv1": 112, "block2_conv2": 56, "block3_conv2": 28, "block3_pool": 14,
    }  # fmt: skip


def test_maps_without_padding_that_shrink_a_little_are_of_one_resolution() -> None:
    assert list(found("LeNet5", "112x112x1").values()) == [108, 50, 21]


def test_the_expansion_before_a_stride_of_mobilenet_v2() -> None:
    """SSDLite reads those (arXiv:1801.04381, sec. 6.2)."""
    maps = found("MobileNetV2", "224x224x3")
    assert list(maps.values()) == [112, 56, 28, 14, 7]
    assert list(maps)[-2:] == ["block_13_expand_relu", "out_relu"]


def test_the_end_of_a_residual_stage_not_the_inside_of_a_branch() -> None:
    """The 1x1 convolution of the next unit runs at the finer resolution too."""
    maps = found("ResNet50V1_5", "224x224x3")
    assert list(maps.values()) == [112, 56, 28, 14, 7]
    assert list(maps)[2:] == ["conv3_block4_out", "conv4_block6_out", "conv5_block3_out"]


@pytest.mark.slow
def test_cells_that_read_the_two_before_them_have_merged_maps() -> None:
    """In NASNet no maps between two resolutions are all that the next ones depend on."""
    maps = found("NASNetMobile", "224x224x3")
    assert list(maps.values())[-3:] == [28, 14, 7]
    assert [name.split("_")[0] for name in list(maps)[-3:]] == ["normal", "normal", "activation"]


def test_the_image_and_padded_maps_are_no_maps() -> None:
    inputs = tf.keras.Input((32, 32, 3))
    x = layers.Rescaling(2.0)(inputs)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.Conv2D(4, 3, strides=2, name="first")(x)
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = layers.Conv2D(4, 3, strides=2, name="second")(x)
    assert names(resolutions(tf.keras.Model(inputs, x))) == ["first", "second"]


def test_a_skip_over_a_resolution_leaves_the_merged_maps_around_it() -> None:
    inputs = tf.keras.Input((32, 32, 1))
    start = layers.Conv2D(4, 3, padding="same", name="start")(inputs)
    down = layers.Conv2D(4, 3, strides=2, padding="same", name="down")(start)
    inner = layers.Add(name="inner")([down, layers.Conv2D(4, 1, name="side")(down)])
    deep = layers.Conv2D(4, 3, strides=2, padding="same", name="deep")(inner)
    skip = layers.Conv2D(4, 3, strides=4, padding="same", name="skip")(start)
    end = layers.Concatenate(name="end")([deep, skip])
    maps = resolutions(tf.keras.Model(inputs, end))
    assert names(maps) == ["start", "inner", "end"]


def test_a_nested_network_is_one_layer() -> None:
    inner = tf.keras.Sequential(
        [layers.Conv2D(4, 3, strides=2), layers.Conv2D(4, 3, strides=2)], name="inner"
    )
    inputs = tf.keras.Input((32, 32, 1))
    outer = tf.keras.Model(inputs, inner(layers.Conv2D(2, 3, name="first")(inputs)))
    assert names(resolutions(outer)) == ["first", "inner"]


def test_the_coarsest_that_are_fine_enough_come_first() -> None:
    inputs = x = tf.keras.Input((48, 64, 1))
    for number in range(3):
        x = layers.Conv2D(2, 3, strides=2, padding="same", name=f"conv{number}")(x)
    network = tf.keras.Model(inputs, x)
    assert names(from_finest(network, (6, 6), "")) == ["conv2"]
    assert names(from_finest(network, (7, 6), "")) == ["conv1", "conv2"]
    assert names(from_finest(network, (24, 24), "")) == ["conv0", "conv1", "conv2"]


def test_maps_of_unknown_size_are_refused() -> None:
    inputs = tf.keras.Input((None, None, 1))
    network = tf.keras.Model(inputs, layers.Conv2D(2, 3)(inputs))
    with pytest.raises(UserError, match=r"the size of the maps is not known \(set input_shape\)"):
        resolutions(network)
