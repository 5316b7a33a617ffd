"""Preprocessed images equal the output of a network's own first layers."""

from __future__ import annotations

import numpy as np
import pytest

from cnnbench.models import registry


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("MobileNetV3Small", 3),
        ("EfficientNetV2B0", 3),
        ("EfficientNetV2B0", 1),
        pytest.param("EfficientNetV2S", 3, marks=pytest.mark.slow),
        ("ConvNeXtTiny", 3),
    ],
)
def test_preprocess_equals_the_preprocessing_layers_left_out(name: str, channels: int) -> None:
    import tensorflow as tf

    shape = f"input_shape=32x32x{channels}"
    whole = registry.resolve(f"{name}[{shape}]").build()
    stem = next(layer for layer in whole.layers if isinstance(layer, tf.keras.layers.Conv2D))
    # Padding on the way to the stem is a part of the network, with the layers and without.
    before = [layer for layer in whole.layers[: whole.layers.index(stem)] if _scales(layer)]
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, channels)).astype(np.float32)
    expected = tf.keras.Model(whole.input, before[-1].output)(images)
    bare = registry.resolve(f"{name}[{shape},include_preprocessing=false]")
    np.testing.assert_allclose(bare.preprocess(images), expected, atol=1e-5)


def _scales(layer: object) -> bool:
    return type(layer).__name__ in ("Rescaling", "Normalization")
