"""Counting from a traced graph: loops, conditions, keyword tensors, fields in any layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from cnnbench.analysis import Inspection, inspect, weightless
from tests.analysis.nets import layers

ops = tf.keras.ops


class Written(layers.Layer):  # type: ignore[misc, name-defined]
    """A function of the input and of a square matrix as wide as it."""

    def __init__(self, function: Callable[[Any, Any], Any], **options: Any) -> None:
        super().__init__(**options)
        self.function = function

    def build(self, shape: Any) -> None:
        self.matrix = self.add_weight(shape=(shape[-1], shape[-1]), name="matrix")

    def call(self, x: Any) -> Any:
        return self.function(x, self.matrix)


def inspect_function(
    function: Callable[[Any, Any], Any], *shape: int, name: str = "own"
) -> Inspection:
    with weightless():
        inputs = tf.keras.Input(shape)
        return inspect(tf.keras.Model(inputs, Written(function, name=name)(inputs)))


def steps(x: Any) -> Any:
    return tf.transpose(x, (1, 0, 2))


@pytest.mark.parametrize(
    ("function", "iterations"),
    [
        (lambda x, w: ops.fori_loop(0, 5, lambda i, h: h @ w, x), 5),
        (lambda x, w: tf.while_loop(lambda i, h: i < 7, lambda i, h: (i + 2, h @ w), [0, x])[1], 4),
        # counted down, by a step that the loop carries along
        (
            lambda x, w: tf.while_loop(
                lambda i, s, h: i > 0, lambda i, s, h: (i - s, s, h @ w), [9, 3, x]
            )[2],
            3,
        ),
        # the limit comes first
        (
            lambda x, w: tf.while_loop(
                lambda i, h: i < 9, lambda i, h: (i + 1, h @ w), [0, x], maximum_iterations=2
            )[1],
            2,
        ),
        # one loop inside another
        (
            lambda x, w: ops.fori_loop(
                0, 3, lambda i, h: ops.fori_loop(0, 2, lambda j, g: g @ w, h), x
            ),
            6,
        ),
    ],
)
def test_counts_loops_of_provable_length(
    function: Callable[[Any, Any], Any], iterations: int
) -> None:
    found = inspect_function(function, 8)
    assert found.metrics["macs"] == iterations * 8 * 8
    assert (found.uncounted_ops, found.bounds) == ([], {})


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: steps(tf.map_fn(lambda t: t @ w, steps(x))),
        lambda x, w: steps(ops.map(lambda t: t @ w, steps(x))),
        lambda x, w: steps(tf.scan(lambda h, t: (h + t) @ w, steps(x), initializer=x[:, 0])),
        lambda x, w: tf.vectorized_map(lambda t: t @ w, x),
        lambda x, w: ops.vectorized_map(lambda t: t @ w, x),
    ],
)
def test_a_loop_over_a_sequence_counts_every_step(function: Callable[[Any, Any], Any]) -> None:
    found = inspect_function(function, 5, 8)
    assert found.metrics["macs"] == 5 * 8 * 8
    assert (found.uncounted_ops, found.bounds) == ([], {})


def test_field_of_a_scan_is_the_whole_sequence_and_that_of_a_map_is_one_step() -> None:
    mapped = inspect_function(
        lambda x, w: steps(tf.map_fn(lambda t: t @ w, steps(x))), 5, 8, name="map"
    )
    assert (mapped.field.sees_all, mapped.field.lost) == ("", "")
    summed = inspect_function(
        lambda x, w: steps(tf.scan(lambda h, t: h + t @ w, steps(x), initializer=x[:, 0])),
        *(5, 8),
        name="scan",
    )
    assert (summed.field.sees_all, summed.field.lost) == ("scan", "")


def test_names_a_loop_whose_length_depends_on_the_data() -> None:
    def run(x: Any, w: Any) -> Any:
        def goes_on(turn: Any, h: Any) -> Any:
            return (tf.reduce_sum(h) < 7.0) & (turn < 50)

        return tf.while_loop(goes_on, lambda turn, h: (turn + 1, h @ w), [0, x])[1]

    found = inspect_function(run, 8, name="until")
    assert found.uncounted_ops == ["until (Written: StatelessWhile)"]
    assert found.uncounted_reasons == ["a loop whose length depends on the data"]
    assert found.bounds["macs"] == found.bounds["activation_infer_peak_bytes"] == "at least"
    data = found.to_json()
    assert data["uncounted_reasons"] == found.uncounted_reasons
    assert data["bounds"] == found.bounds
    assert any("depends on the data" in note for note in data["notes"])


def test_names_a_layer_whose_input_size_is_known_only_at_run_time() -> None:
    with weightless():
        inputs = tf.keras.Input((8, 4))
        chosen = layers.Lambda(
            lambda x: tf.boolean_mask(x, x[..., 0] > 0), output_shape=(4,), name="chosen"
        )
        model = tf.keras.Model(inputs, layers.Dense(3, name="head")(chosen(inputs)))
        found = inspect(model)
    assert "head (Dense: MatMul)" in found.uncounted_ops
    assert set(found.uncounted_reasons) == {"its size is known only when it runs"}
    assert found.bounds["macs"] == found.bounds["activation_sum_bytes"] == "at least"


def test_counts_the_most_expensive_branch_as_an_upper_bound() -> None:
    found = inspect_function(
        lambda x, w: ops.cond(ops.sum(x) > 0, lambda: x @ w, lambda: x @ w @ w), 8, name="either"
    )
    assert found.metrics["macs"] == 2 * 64
    assert (found.bounds["macs"], found.uncounted_ops) == ("at most", [])
    assert found.notes[0].startswith("at most: either")
    # Where all branches cost the same, or the condition is known, the number is exact.
    same = inspect_function(lambda x, w: ops.cond(ops.sum(x) > 0, lambda: x @ w, lambda: -x @ w), 8)
    assert "macs" not in inspect_function(lambda x, w: x @ w, 8).bounds
    assert same.metrics["macs"] == 64
    known = inspect_function(
        lambda x, w: tf.cond(tf.constant(2) > 3, lambda: x @ w, lambda: x @ w @ w), 8
    )
    assert (known.metrics["macs"], known.bounds) == (128, {})


def test_counts_layers_called_with_named_tensors_in_any_order() -> None:
    with weightless():
        state, sequence = tf.keras.Input((3,)), tf.keras.Input((5, 4))
        out = layers.GRU(3)(initial_state=state, sequences=sequence)
        found = inspect(tf.keras.Model([state, sequence], out))
        assert found.metrics["macs"] == 5 * 3 * 3 * (4 + 3)
        query, value = tf.keras.Input((5, 8)), tf.keras.Input((7, 8))
        out = layers.GroupQueryAttention(4, 4, 2)(value=value, query=query)
        found = inspect(tf.keras.Model([value, query], out))
        # queries and output 5 x 8 x 16, keys and values 7 x 8 x 8, scores and sums 5 x 7 x 16
        assert found.metrics["macs"] == 2 * 5 * 8 * 16 + 2 * 7 * 8 * 8 + 2 * 5 * 7 * 16


def test_counts_attention_with_a_mask() -> None:
    with weightless():
        tokens, mask = tf.keras.Input((5, 8)), tf.keras.Input((5, 5), dtype="bool")
        out = layers.MultiHeadAttention(2, 4)(tokens, tokens, attention_mask=mask)
        found = inspect(tf.keras.Model([tokens, mask], out))
    assert found.metrics["macs"] == 5 * 4 * 64 + 2 * 25 * 8


def test_counts_a_stateful_recurrent_layer() -> None:
    with weightless():
        inputs = tf.keras.Input((5, 4), batch_size=2)
        found = inspect(tf.keras.Model(inputs, layers.LSTM(3, stateful=True)(inputs)))
    assert found.metrics["macs"] == 5 * 4 * 3 * (4 + 3)


def test_a_state_changed_by_inference_is_an_input() -> None:
    class Remembers(layers.Layer):  # type: ignore[misc, name-defined]
        def build(self, shape: Any) -> None:
            self.state = self.add_weight(shape=(1, 4), trainable=False, name="state")
            self.matrix = self.add_weight(shape=(4, 4), name="matrix")

        def call(self, x: Any) -> Any:
            new = x + self.state @ self.matrix
            self.state.assign(new[:1])
            return new

    with weightless():
        inputs = tf.keras.Input((4,))
        found = inspect(tf.keras.Model(inputs, Remembers()(inputs)))
    assert found.metrics["macs"] == 16


def test_counts_a_subclassed_model_with_dictionaries_of_tensors() -> None:
    class Named(tf.keras.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.head = layers.Dense(3)

        def call(self, inputs: Any) -> Any:
            return {"score": self.head(inputs["b"]), "same": inputs["a"]}

    model = Named()
    model({"b": tf.zeros((1, 5)), "a": tf.zeros((1, 2))})
    assert inspect(model).metrics["macs"] == 15


def test_counts_a_saved_model_used_as_a_layer(tmp_path: Any) -> None:
    """Its functions were saved for any batch, and do not say the shapes of its variables."""
    inner = tf.keras.Sequential(
        [layers.Input((6, 6, 2)), layers.Conv2D(4, 3), layers.DepthwiseConv2D(3)]
    )
    inner.export(tmp_path / "saved", verbose=False)
    with weightless():
        inputs = tf.keras.Input((6, 6, 2))
        layer = layers.TFSMLayer(str(tmp_path / "saved"), call_endpoint="serve")
        found = inspect(tf.keras.Model(inputs, layer(inputs)))
    assert found.metrics["macs"] == 16 * 4 * 18 + 4 * 4 * 9
    assert found.metrics["params"] == (18 + 1) * 4 + (9 + 1) * 4
    assert (found.bounds, found.metrics["receptive_field_px"]) == ({}, 5)


def pixels(shape: tuple[int, ...], network: Callable[[Any], Any]) -> tuple[float, str, str]:
    with weightless():
        inputs = tf.keras.Input(shape)
        found = inspect(tf.keras.Model(inputs, network(inputs)))
    return found.metrics["receptive_field_px"], found.field.sees_all, found.field.lost


def shuffled(x: Any) -> Any:
    """Twelve channels become 2 x 2 positions of three channels."""
    x = ops.reshape(layers.Conv2D(12, 3, padding="same")(x), (-1, 8, 8, 2, 2, 3))
    x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 16, 16, 3))
    return layers.Conv2D(3, 3, padding="same")(x)


def in_windows(x: Any) -> Any:
    """Attention in windows of 2 x 2 positions, which stand in the batch axis."""
    x = layers.Conv2D(8, 2, strides=2)(x)
    rows = ops.transpose(ops.reshape(x, (-1, 2, 2, 2, 2, 8)), (0, 1, 3, 2, 4, 5))
    return layers.MultiHeadAttention(2, 4)(*[ops.reshape(rows, (-1, 4, 8))] * 2)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        # 3 px, then three positions half a pixel apart: 3 + floor((1 + 2) / 2)
        (shuffled, (4, "", "")),
        # two positions of 2 px each
        (in_windows, (4, "", "")),
        # patches of 4 x 4 as channels, and back
        (
            lambda x: layers.Conv2D(5, 2)(layers.Lambda(lambda t: tf.nn.space_to_depth(t, 4))(x)),
            (8, "", ""),
        ),
        # positions in one row, a product over channels, and in two again
        (
            lambda x: layers.Conv2D(2, 3)(
                ops.reshape(
                    ops.matmul(ops.reshape(x, (-1, 64, 3)), ops.ones((3, 4))), (-1, 8, 8, 4)
                )
            ),
            (3, "", ""),
        ),
        # an activation with a gradient of its own
        (lambda x: layers.Lambda(tf.nn.silu)(layers.Conv2D(2, 3)(x)), (3, "", "")),
        # a turned image
        (lambda x: layers.Conv2D(2, (1, 3))(ops.transpose(x, (0, 2, 1, 3))), (3, "", "")),
        # a loop of two convolutions
        (
            lambda x: layers.Lambda(
                lambda t: ops.fori_loop(
                    0, 2, lambda i, h: tf.nn.conv2d(h, tf.ones((3, 3, 3, 3)), 1, "SAME"), t
                )
            )(x),
            (5, "", ""),
        ),
    ],
)
def test_follows_the_field_through_changes_of_layout(
    network: Callable[[Any], Any], expected: tuple[float, str, str]
) -> None:
    assert pixels((8, 8, 3), network) == expected


def test_reports_attention_over_all_positions() -> None:
    def network(x: Any) -> Any:
        tokens = layers.Reshape((64, 4))(layers.Conv2D(4, 3, padding="same")(x))
        weights = ops.softmax(ops.matmul(tokens, ops.swapaxes(tokens, 1, 2)))
        return ops.matmul(weights, tokens)

    size, sees_all, lost = pixels((8, 8, 3), network)
    assert (size, lost) == (3, "")
    assert sees_all.startswith(("softmax", "matmul"))


def test_products_of_weights_alone_are_not_counted() -> None:
    found = inspect_function(lambda x, w: x @ (w @ w), 8)
    assert (found.metrics["macs"], found.graph.method) == (64, "traced graph")


def test_a_tf_function_inside_a_layer_is_traced_at_the_requested_size() -> None:
    class Compiled(layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__(name="compiled")
            self.inner = layers.Dense(4, name="inner")

        def build(self, shape: Any) -> None:
            self.inner.build(shape)
            self.built = True

        @tf.function
        def twice(self, x: Any) -> Any:
            return self.inner(x), self.inner(-x)

        def call(self, x: Any) -> Any:
            first, _ = self.twice(x)  # the second is read by nobody
            return self.twice(first)[0]

    with weightless():
        inputs = tf.keras.Input((4,))
        found = inspect(tf.keras.Model(inputs, Compiled()(inputs)))
    assert [(row.name, row.macs, row.params) for row in found.rows] == [
        ("compiled/inner", 16, 20),
        ("compiled/inner#3", 16, 0),
    ]
    assert found.bounds == {}


def test_a_loop_over_a_layer_grows_the_field_every_iteration() -> None:
    class Refined(layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__(name="refined")
            self.inner = layers.Conv2D(3, 3, padding="same", name="inner")

        def build(self, shape: Any) -> None:
            self.inner.build(shape)
            self.built = True

        def call(self, x: Any) -> Any:
            return tf.while_loop(lambda i, h: i < 3, lambda i, h: (i + 1, self.inner(h)), [0, x])[1]

    with weightless():
        inputs = tf.keras.Input((8, 8, 3))
        found = inspect(tf.keras.Model(inputs, Refined()(inputs)))
    row = next(row for row in found.rows if row.name == "refined/inner")
    assert (row.macs, row.params) == (3 * 64 * 3 * 27, 3 * 27 + 3)
    assert found.metrics["receptive_field_px"] == 7


def test_distinguishes_layers_of_the_same_name() -> None:
    class Pair(layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__(name="pair")
            self.one, self.two = (layers.Dense(n, name="same") for n in (2, 5))

        def call(self, x: Any) -> Any:
            return self.two(self.one(self.one(x)))

    with weightless():
        inputs = tf.keras.Input((2,))
        found = inspect(tf.keras.Model(inputs, Pair()(inputs)))
    assert [(row.name, row.macs, row.params) for row in found.rows] == [
        ("pair/same", 4, 6),
        ("pair/same#2", 4, 0),
        ("pair/same#3", 10, 15),
    ]
