"""Training memory: the fast estimate against TensorFlow's gradient graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from cnnbench.analysis import inspect, weightless
from tests.analysis.nets import layers


def both(model: Any) -> tuple[float, float]:
    """Estimated and traced."""
    estimated, traced = inspect(model), inspect(model, trace_training=True)
    assert (traced.training_method, traced.training_reason) == ("gradient graph", "")
    name = "activation_train_bytes"
    return estimated.metrics[name], traced.metrics[name]


@pytest.mark.parametrize(
    "attention",
    [
        lambda x: layers.MultiHeadAttention(2, 4)(x, x),
        lambda x: layers.MultiHeadAttention(2, 4, dropout=0.1)(x, x),
        lambda x: layers.MultiHeadAttention(2, 4, use_gate=True)(x, x),
        lambda x: layers.GroupQueryAttention(4, 4, 2)(x, x),
        lambda x: layers.GroupQueryAttention(4, 4, 2, dropout=0.1, use_gate=True)(x, x),
        lambda x: layers.Attention()([x, x]),
        lambda x: layers.Attention(dropout=0.1)([x, x]),
        lambda x: layers.AdditiveAttention()([x, x]),
    ],
)
def test_attention(attention: Callable[[Any], Any]) -> None:
    with weightless():
        images = tf.keras.Input((96, 8))
        inside = layers.Dense(8)(images)
        outputs = layers.Add()([inside, attention(inside)])
        estimated, traced = both(tf.keras.Model(images, outputs))
    assert estimated == pytest.approx(traced, rel=0.01)


@pytest.mark.parametrize(
    ("between", "kept"),
    [
        # The gradient of a constant (the scale) is written into the graph and never run: only the
        # second convolution's input is kept, and the output, which the loss reads.
        (lambda: layers.Rescaling(0.5), 16 * 16 * 8 * 4),
        # That, and a mask of a byte an element.
        (lambda: layers.Dropout(0.5), 16 * 16 * 8 * (4 + 1)),
        # x, the Gaussian's integral, half of x, and their product.
        (lambda: layers.Activation("gelu"), 16 * 16 * 8 * 4 * 4),
    ],
)
def test_training_memory_excludes_tensors_that_no_weight_gradient_reads(
    between: Callable[[], Any], kept: int
) -> None:
    with weightless():
        images = tf.keras.Input((16, 16, 3))
        x = between()(layers.Conv2D(8, 3, padding="same")(images))
        estimated, traced = both(tf.keras.Model(images, layers.Conv2D(2, 3)(x)))
    outputs = 14 * 14 * 2 * 4
    assert (estimated, traced) == (kept + outputs, kept + outputs)


def test_training_memory_excludes_the_kernel_of_a_grouped_convolution() -> None:
    """Its function hands the turned kernel through to the gradient."""
    with weightless():
        images = tf.keras.Input((8, 8, 3))
        x = layers.Conv2D(8, 1)(images)
        x = layers.Conv2D(8, 3, groups=8, padding="same")(x)
        estimated, traced = both(tf.keras.Model(images, layers.Dense(2)(x)))
    assert estimated == traced == 2 * 8 * 8 * 8 * 4 + 8 * 8 * 2 * 4


@pytest.mark.parametrize("frozen", ["everything below the head", "the first half", "every other"])
def test_frozen_layers_keep_only_what_the_passing_gradient_reads(frozen: str) -> None:
    with weightless():
        backbone = tf.keras.applications.VGG16(
            weights=None, include_top=False, input_shape=(64, 64, 3), pooling="avg"
        )
        layers_of = backbone.layers
        images = tf.keras.Input((64, 64, 3))
        model = tf.keras.Model(images, layers.Dense(5)(backbone(images)))
        trained, _ = both(model)
        chosen = {"everything below the head": layers_of, "the first half": layers_of[:10]}
        for layer in chosen.get(frozen, layers_of[::2]):
            layer.trainable = False
        estimated, traced = both(model)
    assert estimated == traced <= trained
    if frozen == "everything below the head":
        assert traced == 512 * 4 + 5 * 4, "the features, as the head's input, and its outputs"
    elif frozen == "the first half":
        assert traced < 0.5 * trained


def test_batch_normalisation_without_weights_keeps_its_input() -> None:
    with weightless():
        images = tf.keras.Input((8, 8, 3))
        x = layers.BatchNormalization(scale=False, center=False)(layers.Conv2D(4, 1)(images))
        model = tf.keras.Model(images, layers.Conv2D(2, 1)(x))
        estimated, traced = both(model)
        outputs = 8 * 8 * 2 * 4
        # The convolution's output, that of the normalisation; beside them vectors of statistics.
        assert estimated == 2 * 8 * 8 * 4 * 4 + outputs
        assert traced == pytest.approx(estimated, rel=0.05)
        model.layers[2].trainable = False
        assert both(model) == (8 * 8 * 4 * 4 + outputs, 8 * 8 * 4 * 4 + outputs)
