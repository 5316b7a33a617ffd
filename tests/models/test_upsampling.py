"""Layers that bring maps back to the image: interpolation, alignment, edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from cnnbench.models.families.upsampling import (
    BilinearKernel,
    MirrorEdges,
    bilinear,
    enlarged,
    transposed_bilinear,
)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_transposed_convolution_starts_as_bilinear_resizing(factor: int) -> None:
    maps = np.random.default_rng(1).normal(size=(2, 5, 6, 3)).astype(np.float32)
    inputs = tf.keras.Input((5, 6, 3))
    network = tf.keras.Model(inputs, transposed_bilinear("up")(inputs, factor))
    resized = tf.image.resize(maps, (5 * factor, 6 * factor)).numpy()
    inner = slice(factor // 2, -(factor // 2))  # at the border zeros are mixed in
    np.testing.assert_allclose(
        network(maps).numpy()[:, inner, inner], resized[:, inner, inner], atol=1e-5
    )


def test_the_kernel_of_an_odd_stride_is_a_triangle_around_its_middle() -> None:
    kernel = BilinearKernel()((5, 5, 2, 2)).numpy()
    line = np.array([1, 2, 3, 2, 1]) / 3
    np.testing.assert_allclose(kernel[:, :, 1, 1], np.outer(line, line), rtol=1e-6)
    assert not kernel[:, :, 0, 1].any()


def ramp(height: int, width: int) -> np.ndarray:
    """Return maps whose two channels are the row and the column of each position."""
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    return np.stack([rows, columns], -1).astype(np.float32)[None]


def shaped(given: tuple[int, int], size: tuple[int, int], upsample: Any) -> np.ndarray:
    inputs = tf.keras.Input((*given, 2))
    network = tf.keras.Model(inputs, enlarged(inputs, size, upsample, "up"))
    return network(ramp(*given)).numpy()[0]


def test_excess_is_cropped_at_the_end() -> None:
    """19 rows downsampled with padding "same" are 10, and 20 again."""
    found = shaped((10, 6), (19, 11), bilinear("up"))
    assert found.shape == (19, 11, 2)
    np.testing.assert_allclose(found[1:18, 0, 0], np.arange(1, 18) / 2 - 0.25)
    np.testing.assert_allclose(found[0, 1:10, 1], np.arange(1, 10) / 2 - 0.25)


def test_a_rest_that_pooling_dropped_is_mirrored_at_the_end() -> None:
    """37 rows pooled by 2 are 18: the last one has no maps."""
    found = shaped((18, 4), (37, 8), bilinear("up"))
    assert found.shape == (37, 8, 2)
    np.testing.assert_allclose(found[1:35, 0, 0], np.arange(1, 35) / 2 - 0.25)
    np.testing.assert_allclose(found[36, 0, 0], 17)


def test_a_border_that_convolutions_dropped_is_mirrored_on_both_sides() -> None:
    """21 rows are the middle of 25, which become 50."""
    found = shaped((21, 21), (50, 50), bilinear("up"))
    np.testing.assert_allclose(found[5:45, 0, 0], np.arange(1, 41) / 2 - 0.25)
    np.testing.assert_allclose(found[[3, 4], 0, 0], [0, 0])
    np.testing.assert_allclose(found[[45, 46], 0, 0], [20, 20])


def test_maps_nearly_as_large_are_only_extended() -> None:
    def upsample(x: Any, factor: int) -> Any:
        raise AssertionError

    found = shaped((28, 30), (32, 32), upsample)
    np.testing.assert_array_equal(found[:, 0, 0], [1, 0, *range(28), 27, 26])
    np.testing.assert_array_equal(found[0, :, 1], [0, *range(30), 29])


def test_maps_of_one_position_fill_the_image() -> None:
    found = shaped((1, 1), (3, 3), bilinear("up"))
    assert found.shape == (3, 3, 2)
    assert not found.any()


def test_mirrored_edges_state_their_settings() -> None:
    layer = MirrorEdges((1, 2), (0, 3))
    again = MirrorEdges.from_config(layer.get_config())
    maps = ramp(4, 5)
    assert again(maps).shape == (1, 7, 8, 2) == layer.compute_output_shape((1, 4, 5, 2))
    np.testing.assert_array_equal(again(maps)[0, :, 0, 0], [0, 0, 1, 2, 3, 3, 2])
