"""Weights transferred from Keras 3 to the toolkit's Keras 2 give the same outputs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench.errors import Unavailable
from cnnbench.models import catalog
from cnnbench.probes.compression import networks

_TOLERANCE = 1e-5  # of the largest output
_LARGE = 30e6  # parameters
_FAMILIES = sorted({entry.family for entry in catalog.ENTRIES.values()})


NETS = """
import tensorflow as tf

L = tf.keras.layers
IS_KERAS_2 = tf.keras.Model.__module__.startswith("tf_keras")


class Norms(L.Layer):
    # Keras 3 lists gamma beta mean variance gamma beta, Keras 2 the statistics last.
    def __init__(self, **options):
        super().__init__(**options)
        self.batch, self.layer = L.BatchNormalization(), L.LayerNormalization()

    def call(self, x, training=None):
        return self.layer(self.batch(x, training=training))


class Lists(L.Layer):
    # Keras 3 lists conv, norm, conv, norm and the scale; Keras 2 the convolutions first.
    def __init__(self, **options):
        super().__init__(**options)
        self.convs, self.norms = [], []
        for place in range(2):
            self.convs.append(L.Conv2D(8, 3, padding="same"))
            self.norms.append(Norms())

    def build(self, shape):
        self.scale = self.add_weight(name="scale", shape=(8,), initializer="ones")
        super().build(shape)

    def call(self, x, training=None):
        for conv, norm in zip(self.convs, self.norms):
            x = norm(conv(x), training=training)
        return x * self.scale


class Subclassed(tf.keras.Model):
    def __init__(self, classes=10):
        super().__init__()
        self.blocks = [Lists(), Lists()]
        self.head = L.Dense(classes, activation="softmax")
        self.pool = L.GlobalAveragePooling2D()

    def call(self, x, training=None):
        for block in self.blocks:
            x = block(x, training=training)
        return self.head(self.pool(x))


def _headed(layers, input_shape):
    inputs = x = tf.keras.Input(input_shape)
    for layer in layers:
        x = layer(x)
    x = L.GlobalAveragePooling2D()(x)
    return tf.keras.Model(inputs, L.Dense(10, activation="softmax")(x))


def norms(input_shape=(16, 16, 8)):
    return _headed([Norms(), L.Conv2D(8, 3), Norms()], input_shape)


def lists(input_shape=(16, 16, 8)):
    inner = tf.keras.Sequential([tf.keras.Input(input_shape), Lists(), L.Conv2D(8, 1), Lists()])
    return _headed([L.Conv2D(8, 3, padding="same"), inner, inner], input_shape)


def subclassed(input_shape=(16, 16, 8)):
    inputs = tf.keras.Input(input_shape)
    return tf.keras.Model(inputs, Subclassed()(inputs))


def hard_sigmoid(input_shape=(16, 16, 8)):
    gates = [L.Conv2D(8, 3, activation="hard_sigmoid"), L.Activation("hard_sigmoid")]
    return _headed([*gates, L.Conv2D(8, 3), L.BatchNormalization()], input_shape)


def recurrent(input_shape=(16, 16, 8)):
    rows = L.TimeDistributed(L.Bidirectional(L.GRU(8)))
    inputs = tf.keras.Input(input_shape)
    x = L.LSTM(8, recurrent_activation="hard_sigmoid", return_sequences=True)(rows(inputs))
    x = L.LayerNormalization()(L.MultiHeadAttention(2, 4)(x, x))
    return tf.keras.Model(inputs, L.Dense(10, activation="softmax")(L.GlobalMaxPooling1D()(x)))


def another_function(input_shape=(16, 16, 8)):
    slope = 0.1 if IS_KERAS_2 else 0.3
    return _headed([L.Conv2D(8, 3, activation=lambda x: tf.nn.leaky_relu(x, slope))], input_shape)


def another_order(input_shape=(16, 16, 8)):
    pair = [L.Conv2D(8, 3, padding="same"), L.Conv2D(8, 3, padding="same")]
    pair = pair[::-1] if IS_KERAS_2 else pair

    class Pair(L.Layer):
        def __init__(self):
            super().__init__()
            self.pair = pair

        def call(self, x):
            first, second = self.pair[::-1] if IS_KERAS_2 else self.pair
            return second(tf.nn.relu(first(x)))

    return _headed([Pair()], input_shape)
"""


def _differences(folder: Path, names: list[str], dtype: str) -> dict[str, float]:
    """Return the largest difference between the outputs of both, as a share of the largest output.

    It is infinite where the copy was refused.
    """
    folder.mkdir(exist_ok=True)
    (folder / "nets.py").write_text(NETS)
    for generation in ("keras3", "keras2"):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.probes.keras_transfer"),
                *(str(folder), generation, dtype, *names),
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    found = {}
    for name in names:
        place = folder / name.rpartition(":")[2]
        first = np.load(place / "keras3.npy")
        # Logits of a detector with random weights may all be tiny, so differences are relative.
        largest = float(np.abs(first).max())
        spread = float(np.ptp(first, axis=0).max()) / largest
        assert spread > 1e-3, f"{name} has the same output for every image"
        if (place / "refused.txt").exists():
            found[name] = float("inf")
        else:
            apart = np.abs(first - np.load(place / "keras2.npy")).max()
            found[name] = float(apart) / largest
    return found


SAME = ["norms", "lists", "subclassed", "hard_sigmoid", "recurrent"]
OTHERWISE = ["another_function", "another_order"]


@pytest.mark.slow
def test_a_copy_has_the_same_outputs_or_is_rejected(tmp_path: Path) -> None:
    own = [f"nets.py:{name}" for name in (*SAME, *OTHERWISE)]
    found = _differences(tmp_path, ["LeNet5", *own], "float32")
    same = {name: found[name] for name in ("LeNet5", *own[: len(SAME)])}
    assert max(same.values()) < _TOLERANCE, same
    for name in OTHERWISE:
        assert found[f"nets.py:{name}"] == float("inf")
        said = (tmp_path / name / "refused.txt").read_text()
        assert "its rebuilt copy with the same weights has different outputs, by up to" in said


def test_finds_swapped_weights_that_constant_outputs_would_hide(tmp_path: Path) -> None:
    """Initial statistics (means and offsets zero, variances and factors one) and constant outputs
    would hide weights that were assigned to the wrong variables.
    """
    import tensorflow as tf

    def built() -> Any:
        layers = tf.keras.layers
        inputs = tf.keras.Input((8, 8, 2))
        x = layers.BatchNormalization(name="one")(inputs)
        x = layers.GlobalAveragePooling2D()(layers.BatchNormalization(name="two")(x))
        dense = layers.Dense(3, activation="softmax", kernel_initializer="zeros")
        return tf.keras.Model(inputs, dense(x))

    original, copy = built(), built()
    images = np.random.default_rng(0).random((2, 8, 8, 2)).astype(np.float32)
    networks.save_weights(original, tmp_path)
    before = original.get_weights()
    networks.save_outputs(original, images, tmp_path)
    networks.load_weights(copy, tmp_path / networks.WEIGHTS)
    networks.check_outputs(copy, tmp_path)
    for model in (original, copy):
        for now, then in zip(model.get_weights(), before, strict=True):
            assert np.array_equal(now, then), "both keep their own weights"
    one, two = copy.get_layer("one"), copy.get_layer("two")
    # Swapped statistics: equal at their initial values, and without effect on a constant output.
    one.moving_mean, one.beta = one.beta, one.moving_mean
    two.moving_variance, two.gamma = two.gamma, two.moving_variance
    with pytest.raises(Unavailable, match="has different outputs"):
        networks.check_outputs(copy, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("family", _FAMILIES)
def test_every_family_has_the_same_outputs_in_both(family: str, tmp_path: Path) -> None:
    """Keras 2 and 3 normalise with different kernels. Their rounding differences in float32 grow
    through layers of random weights, and in EfficientNets a saturated softmax may flip; float64
    then separates rounding from a mistake.
    """
    entries = [entry for entry in catalog.ENTRIES.values() if entry.family == family]
    smallest = min(entry.params or 0 for entry in entries)
    # Larger models of a family have the same blocks, more of them or wider.
    names = [e.name for e in entries if (e.params or 0) <= max(smallest, _LARGE)]
    found = _differences(tmp_path / "float32", names, "float32")
    if far := [name for name in names if found[name] >= _TOLERANCE]:
        found = _differences(tmp_path / "float64", far, "float64")
        assert max(found.values()) < _TOLERANCE, found
