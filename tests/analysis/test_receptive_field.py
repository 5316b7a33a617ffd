"""Receptive fields: up-sampling, several outputs, inputs without positions of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from cnnbench.analysis import inspect, weightless
from tests.analysis.nets import layers


def field(shape: tuple[int, ...], network: Callable[[Any], Any]) -> tuple[float, str, str]:
    """Pixels, what sees all, and what could not be followed."""
    with weightless():
        inputs = tf.keras.Input(shape)
        found = inspect(tf.keras.Model(inputs, network(inputs)))
    return found.metrics["receptive_field_px"], found.field.sees_all, found.field.lost


def conv(kernel: int, stride: int = 1) -> Any:
    return layers.Conv1D(1, kernel, strides=stride, padding="same")


def spread(kernel: int, stride: int) -> Any:
    return layers.Conv1DTranspose(1, kernel, strides=stride, padding="same")


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("kernel", [2, 3, 4, 5, 6])
def test_field_of_a_transposed_convolution_is_its_window(
    kernel: int, stride: int, padding: str
) -> None:
    """Beside the gradient of the layer itself, at the output that sees most."""
    layer = layers.Conv1DTranspose(
        1, kernel, strides=stride, padding=padding, kernel_initializer="ones"
    )
    images = tf.Variable(tf.ones((1, 12, 1)))
    with tf.GradientTape() as tape:
        outputs = layer(images)
    seen = tape.jacobian(outputs, images).numpy().reshape(outputs.shape[1], 12)
    widest = max(row.nonzero()[0].size for row in seen)
    assert field((12, 1), lambda x: spread_as(x, kernel, stride, padding))[0] == widest


def spread_as(x: Any, kernel: int, stride: int, padding: str) -> Any:
    return layers.Conv1DTranspose(1, kernel, strides=stride, padding=padding)(x)


@pytest.mark.parametrize(
    ("pixels", "network"),
    [
        # A piece of a U-Net: 3, pooled 4 at a stride of 2, 8; spread to a stride of 1; 8 + 2.
        (10, lambda x: conv(3)(spread(2, 2)(conv(3)(layers.MaxPooling1D(2)(conv(3)(x)))))),
        # 4 at a stride of 2, 10 at a stride of 4; spread by 4 each time.
        (18, lambda x: spread(4, 2)(spread(4, 2)(conv(4, 2)(conv(4, 2)(x))))),
        (2, lambda x: conv(3)(layers.UpSampling1D(2)(x))),
    ],
)
def test_field_of_downsampling_and_upsampling(pixels: int, network: Callable[[Any], Any]) -> None:
    assert field((32, 1), network)[0] == pixels


@pytest.mark.parametrize(
    ("way", "taps"), [("nearest", 1), ("bilinear", 2), ("bicubic", 4), ("lanczos3", 6)]
)
@pytest.mark.parametrize("factor", [2, 4])
def test_smooth_upsampling_reads_its_neighbours(way: str, taps: int, factor: int) -> None:
    def network(x: Any) -> Any:
        return layers.Conv2D(1, 1)(layers.UpSampling2D(factor, interpolation=way)(x))

    assert field((8, 8, 1), network)[0] == taps


def test_reports_the_largest_field_of_several_outputs() -> None:
    heads = [layers.Conv2D(1, 1), layers.Conv2D(1, 7)]
    for order in (heads, heads[::-1]):
        assert field((28, 28, 3), lambda x, order=order: [head(x) for head in order])[0] == 7


def test_reshaping_a_vector_gives_it_positions() -> None:
    def text(x: Any) -> Any:
        return layers.Conv1D(1, 3)(layers.Conv1D(1, 5)(layers.Embedding(10, 4)(x)))

    def image(x: Any) -> Any:
        return layers.Conv2D(1, 3)(layers.Conv2D(1, 5)(layers.Reshape((28, 28, 1))(x)))

    def generated(x: Any) -> Any:
        made = layers.Reshape((8, 8, 1))(layers.Dense(64)(x))
        return layers.Conv2D(1, 3, name="first")(made)

    assert field((32,), text) == (7, "", "")
    assert field((784,), image) == (7, "", "")
    assert field((5,), generated) == (1, "", "first"), "positions that no input has"


def test_a_broadcast_position_has_no_neighbours() -> None:
    """The pooled branch of an ASPP (Chen et al. 2017, arXiv:1706.05587) beside a convolution."""

    def network(x: Any) -> Any:
        pooled = layers.GlobalAveragePooling2D(keepdims=True, name="pooled")(x)
        branches = [layers.UpSampling2D(8)(pooled), layers.Conv2D(1, 7, padding="same")(x)]
        return layers.Concatenate()(branches)

    assert field((8, 8, 1), network) == (7, "pooled", "")


def test_windows_that_are_cut_out_are_followed_into_the_batch() -> None:
    """A dense layer on nine windows of 8 px, 2 px apart, sees a window, not the image."""
    from cnnbench.models.families.own_layers import CutWindows, PlaceOnGrid

    inputs = tf.keras.Input((12, 12, 1))
    x = CutWindows((8, 8), (2, 2), (3, 3))(inputs)
    x = layers.MaxPooling2D(2)(layers.Conv2D(4, 3)(x))
    x = PlaceOnGrid((3, 3))(layers.Dense(2)(layers.Flatten()(x)))
    found = inspect(tf.keras.Model(inputs, x))
    assert found.metrics["receptive_field_px"] == 8
    assert not found.uncounted_ops
    # Rows of windows next to each other.
    x = CutWindows((4, 6), (4, 4), (3, 2))(inputs)
    x = PlaceOnGrid((3, 2))(layers.Dense(2)(layers.Flatten()(x)))
    assert inspect(tf.keras.Model(inputs, x)).metrics["receptive_field_px"] == 6


def test_positions_of_several_maps_in_one_list_keep_the_largest_field() -> None:
    """The boxes of a detector; a window over the list would join places with no fixed distance."""

    def boxes(x: Any) -> Any:
        fine = layers.Conv2D(2, 3, padding="same")(x)
        coarse = layers.Conv2D(2, 3, strides=2, padding="same")(fine)
        lists = [layers.Reshape((-1, 2))(one) for one in (fine, coarse)]
        return layers.Concatenate(axis=1, name="list")(lists)

    assert field((8, 8, 1), boxes) == (5, "", "")
    assert field((8, 8, 1), lambda x: layers.Dense(3)(boxes(x))) == (5, "", "")
    assert field((8, 8, 1), lambda x: layers.Cropping1D(8)(boxes(x))) == (5, "", "")
    seen = field((8, 8, 1), lambda x: layers.Conv1D(1, 3, name="across")(boxes(x)))
    assert seen == (5, "", "across")
    pooled = field((8, 8, 1), lambda x: layers.GlobalAveragePooling1D(name="all")(boxes(x)))
    assert pooled == (5, "all", "")
