"""Layers without a rule are traced: raw TensorFlow, loops, operands on either side."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from cnnbench.analysis import inspect, weightless
from tests.analysis.nets import RawConvolution, layers, one


def test_local_response_normalisation_in_a_lambda_is_traced() -> None:
    with weightless():
        layer = layers.Lambda(lambda x: tf.nn.local_response_normalization(x, depth_radius=2))
        found = inspect(one(layer, 4, 4, 8))
    # a window of five squares, then scale, offset, power and division an element
    assert found.metrics["flops"] == 128 * (5 + 4)
    assert found.uncounted_ops == []


def test_traces_a_dilated_convolution_of_raw_tensorflow() -> None:
    with weightless():
        found = inspect(one(RawConvolution(), 9, 9, 2))
    assert found.metrics["macs"] == 81 * 7 * 9 * 2
    assert found.metrics["params"] == 9 * 2 * 7


def test_names_operations_that_cannot_be_counted() -> None:
    class Stranger(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return tf.linalg.svd(inputs[:, None], compute_uv=False)

    class Outsider(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return tf.numpy_function(lambda x: x, [inputs], tf.float32)

        def compute_output_spec(self, inputs: Any) -> Any:
            return tf.keras.KerasTensor(inputs.shape, "float32")

    with weightless():
        for layer in (Stranger(name="odd"), Outsider(name="odd")):
            x = tf.keras.Input((8,))
            found = inspect(tf.keras.Model(x, layers.Dense(2)(layer(x))))
            assert found.metrics["uncounted_ops"] == len(found.uncounted_ops) == 1
            assert found.uncounted_ops[0].startswith("odd")


def test_a_custom_class_with_the_name_of_a_keras_layer_is_traced() -> None:
    class Dense(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return tf.keras.ops.relu(inputs)

    class Halved(layers.Dense):
        """Keeps the parent's call: counts as the parent."""

    with weightless():
        assert inspect(one(Dense(), 8)).metrics["macs"] == 0
        assert inspect(one(Halved(3), 8)).metrics["macs"] == 24


def test_a_subclass_that_overrides_its_parents_computation_is_traced() -> None:
    class Standardised(layers.Conv2D):
        def convolution_op(self, inputs: Any, kernel: Any) -> Any:
            kernel = kernel - tf.keras.ops.mean(kernel, axis=(0, 1, 2))
            return super().convolution_op(inputs, kernel)

    class Built(layers.Conv2D):
        def build(self, shape: Any) -> None:
            super().build(shape)

    with weightless():
        plain = inspect(one(layers.Conv2D(4, 3), 6, 6, 2)).metrics
        assert inspect(one(Built(4, 3), 6, 6, 2)).metrics == plain
        found = inspect(one(Standardised(4, 3), 6, 6, 2))
    assert found.metrics["macs"] == plain["macs"] == 16 * 4 * 18
    assert [row.type for row in found.rows] == ["Standardised"]
    assert found.graph.method == "traced graph", "not taken for a Conv2D"
    assert sum(row.params for row in found.rows) == found.metrics["params"] == 76


def test_counts_products_with_a_weight_on_either_side() -> None:
    ops = tf.keras.ops

    class Mixer(layers.Layer):
        def build(self, shape: Any) -> None:
            self.left = self.add_weight(shape=(5, shape[1]), name="left")
            self.kernel = self.add_weight(shape=(1, 1, shape[-1], 3), name="kernel")
            self.bias = self.add_weight(shape=(3,), name="bias")

        def call(self, inputs: Any) -> Any:
            mixed = ops.einsum("ab,nbcd->nacd", self.left, inputs)
            mixed = ops.conv(inputs=mixed, kernel=self.kernel)
            return ops.matmul(self.left, ops.swapaxes(mixed, 1, 2)[:, :, :4]) + self.bias

    with weightless():
        found = inspect(one(Mixer(), 4, 6, 2))
    # left 5 x 4 on 6 x 2 columns; then 2 -> 3 channels; then 5 x 4 on 6 x 3 columns
    assert found.metrics["macs"] == 5 * 4 * 6 * 2 + 5 * 6 * 2 * 3 + 6 * 5 * 4 * 3
    assert found.uncounted_ops == []
    assert sum(row.params for row in found.rows) == found.metrics["params"] == 20 + 6 + 3


def test_a_loop_in_a_layer_counts_every_iteration() -> None:
    class Scan(layers.Layer):
        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(shape[-1], 7), name="kernel")

        def call(self, inputs: Any) -> Any:
            steps = tf.transpose(inputs, (1, 0, 2))
            out = tf.map_fn(lambda x: tf.matmul(x, self.kernel), steps)
            return tf.ensure_shape(tf.transpose(out, (1, 0, 2)), (None, 5, 7))

        def compute_output_spec(self, inputs: Any) -> Any:
            return tf.keras.KerasTensor((None, 5, 7), "float32")

    with weightless():
        found = inspect(one(Scan(), 5, 3))
    assert (found.metrics["macs"], found.uncounted_ops) == (5 * 3 * 7, [])


def test_quantised_products_count_as_macs() -> None:
    class Integers(layers.Layer):
        def call(self, inputs: Any) -> Any:
            whole = tf.cast(inputs, tf.int32)
            return tf.cast(tf.matmul(whole, whole, transpose_b=True), tf.float32)

        def compute_output_spec(self, inputs: Any) -> Any:
            return tf.keras.KerasTensor((None, 4, 4), "float32")

    with weightless():
        assert inspect(one(Integers(), 4, 3)).metrics["macs"] == 4 * 4 * 3


def test_adding_lora_weights_to_a_kernel_is_not_counted() -> None:
    with weightless():
        layer = layers.Dense(5)
        model = one(layer, 4)
        layer.enable_lora(2)
        found = inspect(model).metrics
    assert found["macs"] == 4 * 5  # the kernel's 4 x 2 by 2 x 5 follow from weights alone
    assert found["params"] == 20 + 5 + 4 * 2 + 2 * 5
