"""Walking: nested, shared, subclassed, unknown; errors that are never zeros."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import tensorflow as tf

from cnnbench.analysis import inspect, weightless
from cnnbench.errors import UserError
from tests.analysis.nets import RawConvolution, layers, one, resnet34


@pytest.mark.slow
def test_counts_the_chapters_resnet34_with_subclassed_units() -> None:
    with weightless():
        found = inspect(resnet34())
    assert found.metrics["params"] == 21_306_826
    assert found.metrics["trainable_params"] == 21_289_802
    assert found.metrics["macs"] == 3_663_254_528
    assert found.metrics["depth"] == 34
    assert sum(row.params for row in found.rows) == 21_306_826


def test_lenet5_layer_by_layer() -> None:
    with weightless():
        model = tf.keras.Sequential(
            [
                layers.Input((32, 32, 1)),
                layers.Conv2D(6, 5, activation="tanh"),
                layers.AveragePooling2D(2),
                layers.Conv2D(16, 5, activation="tanh"),
                layers.AveragePooling2D(2),
                layers.Conv2D(120, 5, activation="tanh"),
                layers.Flatten(),
                layers.Dense(84, activation="tanh"),
                layers.Dense(10),
            ]
        )
        found = inspect(model)
    assert [row.macs for row in found.rows if row.macs] == [117_600, 240_000, 48_000, 10_080, 840]
    assert (found.metrics["params"], found.metrics["macs"]) == (61_706, 416_520)
    assert found.metrics["depth"] == 5


def test_a_shared_layer_counts_parameters_once_and_macs_per_call() -> None:
    with weightless():
        a, b = tf.keras.Input((4,)), tf.keras.Input((4,))
        shared = layers.Dense(3, name="shared")
        model = tf.keras.Model([a, b], layers.Add()([shared(a), shared(b)]))
        found = inspect(model)
    assert found.metrics["params"] == 15
    assert found.metrics["macs"] == 2 * 12
    assert [(row.name, row.params) for row in found.rows[:2]] == [("shared", 15), ("shared#2", 0)]


def test_counts_a_nested_model_at_each_call_and_size() -> None:
    with weightless():
        x = tf.keras.Input((None, None, 2))
        inner = tf.keras.Model(x, layers.Conv2D(3, 3)(x), name="inner")
        a, b = tf.keras.Input((8, 8, 2)), tf.keras.Input((5, 5, 2))
        pool = layers.GlobalAveragePooling2D()
        model = tf.keras.Model([a, b], [pool(inner(a)), pool(inner(b))])
        found = inspect(model)
    # 6 x 6 and 3 x 3 positions x 3 filters x 9 x 2
    assert found.metrics["macs"] == (36 + 9) * 3 * 18
    assert found.metrics["params"] == 57


def test_counts_time_steps_folded_into_the_batch() -> None:
    with weightless():
        layer = layers.TimeDistributed(layers.Conv2D(4, 3, padding="same"))
        found = inspect(one(layer, 5, 6, 6, 2), batch_size=2)
    assert found.metrics["macs"] == 5 * 36 * 4 * 18
    assert found.metrics["activation_sum_bytes"] == 2 * 5 * 36 * 4 * 4


def test_counts_windows_folded_into_the_batch() -> None:
    ops = tf.keras.ops
    with weightless():
        x = tf.keras.Input((4, 4, 6))
        rows = ops.reshape(x, (-1, 4, 6))  # four rows an image
        model = tf.keras.Model(x, ops.reshape(layers.Dense(3)(rows), (-1, 4, 4, 3)))
        assert inspect(model, batch_size=8).metrics["macs"] == 16 * 6 * 3


def test_inspect_does_not_change_a_live_model() -> None:
    model = one(RawConvolution(), 9, 9, 2)
    before = [len(layer._inbound_nodes) for layer in model.layers]
    first = inspect(model).to_json()
    assert [len(layer._inbound_nodes) for layer in model.layers] == before
    assert inspect(model).to_json() == first
    assert list(inspect(model).layers.columns)[:4] == ["name", "type", "output_shape", "params"]


def _subclassed() -> Any:
    class Net(tf.keras.Model):
        def __init__(self) -> None:
            super().__init__(name="net")
            self.first, self.second = layers.Dense(4), layers.Dense(2)

        def call(self, inputs: Any) -> Any:
            return self.second(self.first(inputs))

    return Net()


def test_a_subclassed_model_is_counted_or_refused() -> None:
    with pytest.raises(UserError, match="input shape of 'net' is unknown"):
        inspect(_subclassed())
    with weightless():
        found = inspect(_subclassed(), input_shape=(3,)).metrics
        assert (found["params"], found["macs"]) == (12 + 4 + 8 + 2, 12 + 8)
        with pytest.raises(UserError, match="no arithmetic"):
            inspect(one(layers.Flatten(), 4, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "a batch of 0"),
        ({"convention": "tim"}, "unknown convention 'tim' .did you mean 'timm'"),
        ({"dtype": "float15"}, "unknown dtype"),
        ({"input_shape": (8, 8, 4)}, "takes inputs like \\?x\\?x3, not 8x8x4"),
        ({}, "unknown dimensions.*--input-shape"),
        ({"input_shape": (2, 2, 3)}, "cannot take 2x2x3 at layer"),
    ],
)
def test_rejects_wrong_options(options: dict[str, Any], message: str) -> None:
    with weightless():
        model = one(layers.Conv2D(2, 3), None, None, 3)
        with pytest.raises(UserError, match=message):
            inspect(model, **options)


def test_input_shape_sets_unknown_dimensions() -> None:
    with weightless():
        found = inspect(one(layers.Conv2D(2, 3), None, None, 3), input_shape=(10, 8, 3))
    assert found.metrics["macs"] == 8 * 6 * 2 * 27


KERAS2 = """
import tensorflow as tf
from cnnbench.analysis import inspect, weightless
from tests.analysis.nets import RawConvolution, one, resnet34
for build in (resnet34, lambda: one(RawConvolution(), 9, 9, 2),
              lambda: tf.keras.applications.MobileNetV2(weights=None)):
    with weightless():
        found = inspect(build())
        print(found.metrics["params"], found.metrics["macs"], len(found.uncounted_ops))
"""


def test_keras_2_counts_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", KERAS2],
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "21306826 3663254528 0",
        f"126 {81 * 7 * 18} 0",
        "3538984 300774272 0",
    ]
