"""Work that a network moves into the batch axis is counted per image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from cnnbench.analysis import inspect, weightless
from tests.analysis.nets import layers

ops = tf.keras.ops


class FramesToBatch(layers.Layer):  # type: ignore[misc, name-defined]
    def call(self, x: Any) -> Any:
        return tf.reshape(x, (-1, 8, 8, 3))


class BatchToFrames(layers.Layer):  # type: ignore[misc, name-defined]
    def call(self, x: Any) -> Any:
        return tf.reshape(x, (-1, 5, 6, 6, 4))


def frames(x: Any) -> Any:
    return layers.Lambda(lambda t: tf.reshape(t, (-1, 8, 8, 3)), output_shape=(8, 8, 3))(x)


def halves(x: Any) -> Any:
    return ops.concatenate(ops.split(x, 2, axis=1), axis=0)


@pytest.mark.parametrize(
    ("shape", "folded", "images"),
    [
        ((8, 8, 3), lambda x: layers.Concatenate(axis=0)([x, layers.ReLU()(x)]), 2),
        ((16, 8, 3), halves, 2),
        ((8, 8, 3), lambda x: ops.repeat(x, 3, axis=0), 3),
        ((8, 8, 3), lambda x: ops.tile(x, (3, 1, 1, 1)), 3),
        ((5, 8, 8, 3), frames, 5),
        ((5, 8, 8, 3), FramesToBatch(), 5),
    ],
)
def test_rows_folded_into_the_batch_count_for_their_image(
    shape: tuple[int, ...], folded: Callable[[Any], Any], images: int
) -> None:
    with weightless():
        inputs = tf.keras.Input(shape)
        found = inspect(tf.keras.Model(inputs, layers.Conv2D(4, 3)(folded(inputs))))
    assert found.metrics["macs"] == images * 6 * 6 * 4 * 9 * 3
    assert found.rows[-1].activation_bytes == images * 6 * 6 * 4 * 4
    assert found.uncounted_ops == []


def test_unfolding_the_batch_restores_one_image() -> None:
    with weightless():
        inputs = tf.keras.Input((5, 8, 8, 3))
        x = BatchToFrames()(layers.Conv2D(4, 3)(FramesToBatch()(inputs)))
        model = tf.keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling3D()(x)))
        found = inspect(model)
    assert found.metrics["macs"] == 5 * 6 * 6 * 4 * 9 * 3 + 4 * 2
    assert found.rows[-1].activation_bytes == 2 * 4
