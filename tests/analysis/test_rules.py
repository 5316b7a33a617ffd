"""Every kind of layer: the arithmetic written out, and the count of the traced graph beside it."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from cnnbench.analysis import inspect, weightless
from tests.analysis.nets import layers, one
from tests.analysis.traced_count import traced_macs

# layer, input, MACs, other operations: bias, activation, window, ...
CASES: list[tuple[str, tuple[int, ...], int, int]] = [
    # 10 positions x 4 filters x (3 x 2 channels); a bias each
    ("Conv1D(4, 3, padding='same')", (10, 2), 10 * 4 * 3 * 2, 40),
    # causal padding keeps the length
    ("Conv1D(4, 3, padding='causal', dilation_rate=2)", (10, 2), 10 * 4 * 3 * 2, 40),
    # the chapter: 150 x 100 x 200 x (5 x 5 x 3)
    ("Conv2D(200, 5, padding='same')", (150, 100, 3), 225_000_000, 3_000_000),
    # ceil(15 / 2) = 8, ceil(11 / 2) = 6
    ("Conv2D(4, 3, 2, padding='same', use_bias=False)", (15, 11, 3), 8 * 6 * 4 * 27, 0),
    # floor((15 - 3) / 2) + 1 = 7, floor((11 - 3) / 2) + 1 = 5; bias and ReLU
    ("Conv2D(4, 3, 2, activation='relu')", (15, 11, 3), 7 * 5 * 4 * 27, 2 * 7 * 5 * 4),
    # 4 groups of 2 channels
    ("Conv2D(16, 3, groups=4, padding='same')", (9, 9, 8), 81 * 16 * 9 * 2, 81 * 16),
    # a window of (3 - 1) x 3 + 1 = 7: 13 - 6 = 7 positions
    ("Conv2D(4, 3, dilation_rate=3)", (13, 13, 2), 7 * 7 * 4 * 9 * 2, 7 * 7 * 4),
    ("Conv2D(4, 3, dilation_rate=2, padding='same')", (13, 13, 2), 169 * 4 * 9 * 2, 169 * 4),
    ("Conv3D(4, 3, padding='valid')", (6, 6, 6, 2), 64 * 4 * 27 * 2, 64 * 4),
    # every input spread over 3 x 3 x 4 outputs; the output is 14 x 14
    ("Conv2DTranspose(4, 3, 2, padding='same')", (7, 7, 5), 49 * 5 * 9 * 4, 14 * 14 * 4),
    ("Conv1DTranspose(4, 3, 2)", (7, 5), 7 * 5 * 3 * 4, 15 * 4),
    ("Conv3DTranspose(2, 2, 2, use_bias=False)", (3, 3, 3, 2), 27 * 2 * 8 * 2, 0),
    # one map in, two maps out
    ("DepthwiseConv2D(3, depth_multiplier=2, padding='same')", (8, 8, 3), 64 * 6 * 9, 64 * 6),
    ("DepthwiseConv1D(3)", (8, 3), 6 * 3 * 3, 6 * 3),
    # depthwise 64 x 6 x 9, then 1x1: 64 x 6 x 5
    ("SeparableConv2D(5, 3, depth_multiplier=2, padding='same')", (8, 8, 3), 64 * 6 * 14, 64 * 5),
    ("SeparableConv1D(5, 3)", (8, 3), 6 * 3 * (3 + 5), 6 * 5),
    ("Dense(10, activation='tanh')", (7,), 70, 20),
    ("Dense(10)", (4, 5, 7), 4 * 5 * 70, 200),
    (
        "EinsumDense('abc,cde->abde', output_shape=(None, 4, 5), bias_axes='de')",
        (6, 7),
        6 * 7 * 20,
        6 * 20,
    ),
    # 3 windows of 4, then the whole 36 positions of 2 channels
    ("MaxPooling2D(2)", (6, 6, 2), 0, 9 * 4 * 2),
    ("AveragePooling1D(2)", (6, 2), 0, 3 * 2 * 2),
    ("MaxPooling3D(2)", (4, 4, 4, 1), 0, 8 * 8),
    ("GlobalAveragePooling2D()", (6, 6, 2), 0, 72),
    ("GlobalMaxPooling1D()", (6, 2), 0, 12),
    # 2 an element, whatever the statistics
    ("BatchNormalization()", (6, 6, 2), 0, 144),
    ("LayerNormalization()", (6, 6, 2), 0, 144),
    ("GroupNormalization(2)", (6, 6, 4), 0, 288),
    ("Rescaling(0.5)", (6, 6, 3), 0, 216),
    ("Normalization(mean=0.0, variance=1.0)", (6, 6, 3), 0, 216),
    ("ReLU()", (10,), 0, 10),
    ("Softmax()", (10,), 0, 10),
    ("Activation('gelu')", (10,), 0, 10),
    ("UpSampling2D(2)", (3, 3, 1), 0, 0),
    # four neighbours an output
    ("UpSampling2D(2, interpolation='bilinear')", (3, 3, 1), 0, 36 * 4),
    ("UpSampling2D(2, interpolation='bicubic')", (3, 3, 1), 0, 36 * 16),
    ("UpSampling2D(2, interpolation='lanczos3')", (3, 3, 1), 0, 36 * 36),
    ("UpSampling2D(2, interpolation='lanczos5')", (3, 3, 1), 0, 36 * 100),
]


@pytest.mark.parametrize(("text", "shape", "macs", "others"), CASES, ids=[c[0] for c in CASES])
def test_layer_counts_equal_hand_computation(
    text: str, shape: tuple[int, ...], macs: int, others: int
) -> None:
    with weightless():
        model = one(eval(f"layers.{text}"), *shape)
        # A ReLU behind it: a network of no arithmetic at all is an error, not a 0.
        found = inspect(tf.keras.Model(model.input, layers.ReLU()(model.output)))
        assert found.uncounted_ops == []
        assert found.metrics["macs"] == macs
        assert found.rows[0].flops == 2 * macs + others
        if "interpolation" not in text:
            assert traced_macs(model) == macs


def test_multi_head_attention_equals_hand_computation() -> None:
    """5 queries of 8, 7 keys of 6, 2 heads of 3, values of 4 a head.

    Queries 5 x 8 x 6, keys 7 x 6 x 6, values 7 x 6 x 8, scores 5 x 7 x 2 x 3, sum 5 x 7 x 2 x 4,
    output 5 x 8 x 8.
    """
    with weightless():
        query, value = tf.keras.Input((5, 8)), tf.keras.Input((7, 6))
        out = layers.MultiHeadAttention(2, 3, value_dim=4)(query, value)
        model = tf.keras.Model([query, value], out)
        found = inspect(model).metrics
        assert found["macs"] == 240 + 252 + 336 + 210 + 280 + 320 == traced_macs(model)
        # Alive while it runs: queries 5 x 6, keys 7 x 6, values 7 x 8, scores 5 x 7 x 2, output 40.
        assert found["activation_infer_peak_bytes"] == 4 * (30 + 42 + 56 + 70 + 40)
        assert inspect(model, 3, dtype="float16").metrics["activation_infer_peak_bytes"] == 1428
        assert inspect(model).uncounted_ops == []


@pytest.mark.parametrize(
    ("layer", "macs", "others"),
    [
        # 5 positions of 8 through four projections of 8 x 8 and the gate's; scores and sums
        # 2 x 25 x 4 each. 8 biases a projection, 40 scaled, 50 scores, 40 sigmoids, 40 products.
        (
            lambda: layers.MultiHeadAttention(2, 4, use_gate=True),
            5 * 5 * 64 + 2 * 200,
            5 * 40 + 40 + 50 + 80,
        ),
        # 4 heads for the queries, the gate and the way back, 2 for keys and values
        (
            lambda: layers.GroupQueryAttention(4, 4, 2, use_gate=True, use_bias=False),
            5 * (3 * 8 * 16 + 2 * 8 * 8) + 2 * 4 * 25 * 4,
            80 + 100 + 160,
        ),
        # three projections of 8 x 8, the fourth to 3 x 6
        (
            lambda: layers.MultiHeadAttention(2, 4, output_shape=(3, 6), use_bias=False),
            5 * (3 * 64 + 8 * 18) + 2 * 200,
            40 + 50,
        ),
    ],
)
def test_attention_options_equal_hand_computation(layer: Any, macs: int, others: int) -> None:
    with weightless():
        tokens = tf.keras.Input((5, 8))
        found = inspect(tf.keras.Model(tokens, layer()(tokens, tokens))).metrics
    assert (found["macs"], found["flops"]) == (macs, 2 * macs + others)


def test_einsum_of_one_operand_has_no_macs() -> None:
    ops = tf.keras.ops
    with weightless():
        a, b = tf.keras.Input((5, 8)), tf.keras.Input((5, 4))
        for equation, operands, macs, flops in [
            ("bij,bik->bjk", (a, b), 160, 320),
            ("bij,bik", (a, b), 160, 320),  # as NumPy: b and i stand there twice
            ("bij->bji", (a,), 0, 0),
            ("bij->bi", (a,), 0, 35),  # seven additions a row
        ]:
            summed = ops.einsum(equation, *operands)
            model = tf.keras.Model([a, b], layers.Rescaling(2.0)(summed))
            found = inspect(model).metrics
            size = summed.shape[1] * (summed.shape[2] if len(summed.shape) > 2 else 1)
            if equation == "bij,bik":
                size = 32
            assert (found["macs"], found["flops"] - 2 * size) == (macs, flops), equation


def test_a_custom_recurrent_cell_is_traced() -> None:
    class LSTMCell(layers.Layer):  # type: ignore[misc, name-defined]
        """One gate, whatever its name says."""

        units = state_size = output_size = 5

        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(shape[-1], 5))
            self.back = self.add_weight(shape=(5, 5))

        def call(self, x: Any, states: Any) -> Any:
            ops = tf.keras.ops
            new = ops.matmul(x, self.kernel) + ops.matmul(states[0], self.back)
            return new, [new]

    with weightless():
        assert inspect(one(layers.RNN(LSTMCell()), 6, 3)).metrics["macs"] == 6 * 5 * (3 + 5)


@pytest.mark.parametrize("kind", ["Attention", "AdditiveAttention"])
def test_attention(kind: str) -> None:
    with weightless():
        query, value = tf.keras.Input((5, 8)), tf.keras.Input((7, 8))
        model = tf.keras.Model([query, value], getattr(layers, kind)()([query, value]))
        # Luong: scores 5 x 7 x 8 and the sum 5 x 7 x 8; Bahdanau's scores have no product
        expected = 560 if kind == "Attention" else 280
        found = inspect(model).metrics
        assert found["macs"] == expected == traced_macs(model)
        sums = 5 * 7 * 8 if kind == "AdditiveAttention" else 0
        # sums, scores and output
        assert found["activation_infer_peak_bytes"] == 4 * (sums + 5 * 7 + 5 * 8)


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        # steps x gates x units x (inputs + units)
        (lambda: layers.SimpleRNN(5), 4 * 1 * 5 * (3 + 5)),
        (lambda: layers.LSTM(5), 4 * 4 * 5 * (3 + 5)),
        (lambda: layers.GRU(5, return_sequences=True), 4 * 3 * 5 * (3 + 5)),
        (lambda: layers.Bidirectional(layers.LSTM(5)), 2 * 4 * 4 * 5 * (3 + 5)),
        (
            lambda: layers.RNN([layers.LSTMCell(5), layers.GRUCell(2)]),
            4 * (4 * 5 * (3 + 5) + 3 * 2 * (5 + 2)),
        ),
        (lambda: layers.TimeDistributed(layers.Dense(6)), 4 * 3 * 6),
    ],
)
def test_recurrent(layer: Any, macs: int) -> None:
    with weightless():
        found = inspect(one(layer(), 4, 3))
        assert (found.metrics["macs"], found.uncounted_ops) == (macs, [])


def test_conv_lstm() -> None:
    with weightless():
        found = inspect(one(layers.ConvLSTM2D(5, 3, padding="same"), 4, 6, 6, 2))
        # 4 steps x 4 gates x 36 positions x 5 filters x 9 x (2 + 5 channels)
        assert found.metrics["macs"] == 4 * 4 * 36 * 5 * 9 * 7


def test_merges() -> None:
    with weightless():
        a, b, c = (tf.keras.Input((4, 4, 2)) for _ in range(3))
        for kind, operations in [("Add", 64), ("Multiply", 64), ("Average", 96), ("Maximum", 64)]:
            model = tf.keras.Model([a, b, c], getattr(layers, kind)()([a, b, c]))
            assert inspect(model).metrics["flops"] == operations
        # 4 x 4 positions, each with each of 16: 16 x 16 x 2 over two channels
        flat = [layers.Reshape((16, 2))(x) for x in (a, b)]
        model = tf.keras.Model([a, b], layers.Dot(axes=2)(flat))
        assert inspect(model).metrics["macs"] == 16 * 16 * 2
        # Squared, summed and scaled before: 3 an element of both.
        scaled = tf.keras.Model([a, b], layers.Dot(axes=2, normalize=True)(flat))
        assert inspect(scaled).metrics["flops"] == 2 * 16 * 16 * 2 + 3 * 2 * 32
