"""Strides that become dilations: the values stay, at more positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from cnnbench.models import registry
from cnnbench.models.dilated import dilated
from tests.models.built import weightless

layers = tf.keras.layers


def randomised(network: Any) -> Any:
    """Return the network with random weights, batch normalisation's positive."""
    rng = np.random.default_rng(1)
    network.set_weights([rng.uniform(0.05, 0.3, one.shape) for one in network.get_weights()])
    return network


def last_maps(network: Any, images: np.ndarray) -> np.ndarray:
    return np.asarray(network(images), np.float64)


def agree(network: Any, output_stride: int, factor: int, first: int, border: int) -> None:
    """Compare each position of the network with that of its dilated form, away from the border."""
    images = np.random.default_rng(2).uniform(size=(2, *network.input_shape[1:]))
    changed = dilated(network, output_stride)
    expected, found = (last_maps(one, images.astype(np.float32)) for one in (network, changed))
    assert found.shape[1] == expected.shape[1] * factor
    kept = found[:, first::factor, first::factor][:, : expected.shape[1], : expected.shape[2]]
    inner = slice(border, -border)
    np.testing.assert_allclose(kept[:, inner, inner], expected[:, inner, inner], rtol=1e-4)


def convolutions(*padding: str) -> Any:
    """Four 3x3 convolutions, every other one with stride 2, and a 1x1 shortcut with stride 2."""
    inputs = x = tf.keras.Input((64, 64, 2))
    for number in range(3):
        start = x
        x = layers.Conv2D(3, 3, padding="same", activation="relu", name=f"plain{number}")(x)
        if padding[number] == "valid":
            x = layers.ZeroPadding2D(1, name=f"pad{number}")(x)
        x = layers.DepthwiseConv2D(3, strides=2, padding=padding[number], name=f"strided{number}")(
            x
        )
        x = layers.BatchNormalization(name=f"norm{number}")(x)
        if number:
            shortcut = layers.Conv2D(3, 1, strides=2, name=f"shortcut{number}")(start)
            x = layers.Add(name=f"sum{number}")([x, shortcut])
    return randomised(tf.keras.Model(inputs, x, name="net"))


def test_every_second_position_of_explicitly_padded_maps_is_unchanged() -> None:
    """Windows begin one px before the first position, dilated or not."""
    agree(convolutions("valid", "valid", "valid"), 4, 2, 0, 2)


def test_every_fourth_position_is_unchanged_where_two_strides_are_left_out() -> None:
    agree(convolutions("valid", "valid", "valid"), 2, 4, 0, 2)


def test_a_dilated_network_has_the_names_and_the_weights_of_the_original() -> None:
    network = convolutions("same", "same", "valid")
    changed = dilated(network, 4)
    names = [one.name for one in network.layers if one.name != "pad2"]
    assert sorted(one.name for one in changed.layers) == sorted(names)
    assert changed.get_layer("plain1") is network.get_layer("plain1")
    strided = changed.get_layer("strided2")
    assert (strided.strides, strided.dilation_rate, strided.padding) == ((1, 1), (1, 1), "same")
    for weight in range(2):
        np.testing.assert_array_equal(
            strided.get_weights()[weight], network.get_layer("strided2").get_weights()[weight]
        )
    assert dilated(network, 2).get_layer("plain2").dilation_rate == (2, 2)


def test_a_network_with_small_strides_is_returned_as_it_is() -> None:
    network = convolutions("same", "same", "same")
    assert dilated(network, 8) is network


def test_a_layer_that_changes_the_size_in_another_way_leaves_the_network_as_it_is() -> None:
    inputs = tf.keras.Input((32, 32, 1))
    x = layers.Conv2D(2, 3, strides=4, padding="same")(inputs)
    x = layers.Conv2D(2, 3, strides=4, padding="same")(layers.UpSampling2D()(x))
    network = tf.keras.Model(inputs, x)
    assert dilated(network, 2) is network


def test_a_subclassed_network_is_returned_as_it_is() -> None:
    class Own(tf.keras.Model):  # type: ignore[misc]
        def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
            return super().call(inputs)

    plain = convolutions("same", "same", "same")
    network = Own(plain.inputs, plain.outputs)
    assert dilated(plain, 2) is not plain
    assert dilated(network, 2) is network


def test_part_of_a_stride_is_kept_where_the_limit_lies_inside_it() -> None:
    inputs = tf.keras.Input((64, 64, 1))
    x = layers.Conv2D(2, 3, strides=4, padding="same", name="first")(inputs)
    x = layers.Conv2D(2, 3, strides=4, padding="same", name="second")(x)
    x = layers.Conv2D(2, 3, padding="same", name="third")(x)
    changed = dilated(tf.keras.Model(inputs, x), 8)
    assert [changed.get_layer(n).strides[0] for n in ("first", "second", "third")] == [4, 2, 1]
    assert changed.get_layer("third").dilation_rate == (2, 2)
    assert changed.output_shape[1:3] == (8, 8)


@pytest.mark.parametrize(
    ("name", "output_stride"),
    [
        ("ResNet18", 8),
        pytest.param("MobileNetV3Large", 16, marks=pytest.mark.slow),
        pytest.param("ResNet50", 8, marks=pytest.mark.slow),
        pytest.param("VGG16", 16, marks=pytest.mark.slow),
    ],
)
def test_backbones_have_their_parameters_and_names_at_a_smaller_stride(
    name: str, output_stride: int
) -> None:
    model = registry.resolve(name)
    with weightless(model, input_shape=(256, 256, 3), include_top=False) as backbone:
        changed = dilated(backbone, output_stride)
        assert backbone.output_shape[1:3] == (8, 8)
        assert changed.output_shape[1:3] == (256 // output_stride,) * 2
        assert changed.count_params() == backbone.count_params()
        assert {one.name for one in changed.layers} <= {one.name for one in backbone.layers}


def test_stages_of_a_residual_network_are_dilated_as_torchvision_dilates_them() -> None:
    """The first unit of a stage keeps the dilation of the stage before."""
    model = registry.resolve("ResNet50V1_5")
    with weightless(model, input_shape=(64, 64, 3), include_top=False) as backbone:
        changed = dilated(backbone, 8)
        rates = {
            unit: changed.get_layer(f"{unit}_2_conv").dilation_rate[0]
            for unit in ("conv3_block1", "conv4_block1", "conv4_block2", "conv5_block1")
        }
        assert list(rates.values()) == [1, 1, 2, 2]
        assert changed.get_layer("conv5_block2_2_conv").dilation_rate == (4, 4)
