"""Activation memory and receptive field: the chapter's examples, and graphs worked by hand."""

from __future__ import annotations

import pytest
import tensorflow as tf

from cnnbench.analysis import inspect, weightless
from cnnbench.analysis.inputs import wanted_inputs
from cnnbench.analysis.training_memory import estimate_training_bytes, traced_training_bytes
from tests.analysis.nets import RawConvolution, layers, one


def test_memory_of_the_chapters_convolution() -> None:
    with weightless():
        found = inspect(one(layers.Conv2D(200, 5, padding="same"), 150, 100, 3))
        assert found.metrics["params"] == (5 * 5 * 3 + 1) * 200 == 15_200
        assert found.metrics["macs"] == 225_000_000
        assert found.metrics["activation_sum_bytes"] == 12_000_000
        hundred = inspect(one(layers.Conv2D(200, 5, padding="same"), 150, 100, 3), batch_size=100)
        assert hundred.metrics["activation_infer_peak_bytes"] == 1_200_000_000
        assert hundred.metrics["macs"] == 225_000_000  # of one image


def test_memory_of_the_chapters_exercise() -> None:
    with weightless():
        model = tf.keras.Sequential([layers.Input((200, 300, 3))])
        for filters in (100, 200, 400):
            model.add(layers.Conv2D(filters, 3, strides=2, padding="same"))
        found = inspect(model)
        fifty = inspect(model, batch_size=50)
    assert [row.params for row in found.rows] == [2_800, 180_200, 720_400]
    assert found.metrics["params"] == 903_400
    assert found.metrics["weight_bytes"] == 3_613_600
    assert [row.activation_bytes for row in found.rows] == [6_000_000, 3_000_000, 1_520_000]
    assert found.metrics["activation_infer_peak_bytes"] == 9_000_000
    assert found.peak_layer == found.rows[1].name
    assert fifty.metrics["activation_sum_bytes"] == 526_000_000
    assert found.metrics["macs"] == 1_399_500_000
    # weights and peak of 100 images: 3,613,600 + 900,000,000
    assert found.max_batch(903_613_600) == 100
    assert found.max_batch(903_613_599) == 99
    assert found.max_batch(12_000_000) == 0


def _skip() -> tf.keras.Model:
    """x (input) -> a -> b -> c; a + c. Every tensor has 16 elements, 64 bytes."""
    x = tf.keras.Input((4, 4, 1))
    a = layers.Conv2D(1, 3, padding="same")(x)
    b = layers.ReLU()(a)
    c = layers.Conv2D(1, 3, padding="same")(b)
    return tf.keras.Model(x, layers.Flatten()(layers.Add()([a, c])))


def test_a_skip_connection_extends_the_life_of_its_tensor() -> None:
    with weightless():
        model = _skip()
        found = inspect(model)
        # conv: a; ReLU: a b; conv: a b c; add: a c sum; flatten is a view of the sum
        assert [row.live_bytes for row in found.rows] == [64, 128, 192, 192, 64]
        assert [row.activation_bytes for row in found.rows] == [64, 64, 64, 64, 0]
        assert found.metrics["activation_sum_bytes"] == 256
        # in place: ReLU may not overwrite a, which the addition needs; the addition may
        placed = inspect(model, in_place=True)
        assert [row.live_bytes for row in placed.rows] == [64, 128, 192, 128, 64]
        assert inspect(model, dtype="float16").metrics["activation_infer_peak_bytes"] == 96
        assert inspect(model, dtype="float16").metrics["weight_bytes"] == 2 * 20


@pytest.mark.parametrize(
    ("name", "in_place", "expected"),
    # FACTS: measured 822 / 308 (231 in place) / 311 MB at batch 32
    [("VGG16", False, 822_083_584), ("MobileNetV2", False, 311_046_144)],
)
def test_inference_peaks_of_known_networks(name: str, in_place: bool, expected: int) -> None:
    with weightless():
        model = getattr(tf.keras.applications, name)(weights=None)
        found = inspect(model, batch_size=32, in_place=in_place)
    assert found.metrics["activation_infer_peak_bytes"] == expected


def test_training_memory_is_what_the_gradient_reads() -> None:
    with weightless():
        x = tf.keras.Input((8, 8, 3))
        y = layers.Conv2D(4, 3, padding="same", use_bias=False)(x)  # 256 elements: kept for BN
        y = layers.BatchNormalization()(y)  # read by nobody's gradient
        y = layers.ReLU()(y)  # 256: its own gradient's, and the next convolution's
        y = layers.Conv2D(2, 3, padding="same")(y)  # 128, read by nobody: pooling is linear
        model = tf.keras.Model(x, layers.GlobalAveragePooling2D()(y))
        graph = inspect(model, batch_size=5).graph
        # and the two outputs, which the loss reads
        assert estimate_training_bytes(graph, 5) == 5 * (256 + 256 + 2) * 4
        exact = traced_training_bytes(model, wanted_inputs(model, None), 5)
        # beside them the batch statistics of four channels: a handful of vectors
        assert 0 <= exact - 5 * 514 * 4 <= 8 * 4 * 4
        found = inspect(model, batch_size=5, trace_training=True)
        assert found.metrics["activation_train_bytes"] == exact


@pytest.mark.parametrize("name", ["VGG16", "MobileNetV3Small"])
def test_training_estimate_is_near_the_traced_memory(name: str) -> None:
    with weightless():
        model = getattr(tf.keras.applications, name)(weights=None, input_shape=(224, 224, 3))
        graph = inspect(model).graph
        traced = traced_training_bytes(model, wanted_inputs(model, None))
        ratio = estimate_training_bytes(graph) / traced
    assert 0.96 < ratio <= 1.01


def test_receptive_field_equals_hand_computation() -> None:
    with weightless():
        x = tf.keras.Input((32, 32, 1))
        y = layers.Conv2D(1, 5, strides=2)(x)  # 5 px, stride 2
        y = layers.MaxPooling2D(2)(y)  # 5 + 1 x 2 = 7, stride 4
        y = layers.Conv2D(1, 3, dilation_rate=2)(y)  # 7 + 4 x 4 = 23
        found = inspect(tf.keras.Model(x, y))
    assert [row.receptive_field_px for row in found.rows] == [5, 7, 23]
    assert [axis.stride for axis in found.field.axes] == [4, 4]
    assert [axis.start for axis in found.field.axes] == [0, 0]


def test_the_field_of_merged_branches_covers_both() -> None:
    with weightless():
        x = tf.keras.Input((32, 32, 1))
        tall = layers.Conv2D(1, (7, 1), padding="same")(x)  # rows -3..3
        wide = layers.Conv2D(1, (1, 3), padding="same")(x)  # columns -1..1
        y = layers.Concatenate()([tall, wide])
        y = layers.ZeroPadding2D(1)(y)
        y = layers.Conv2D(1, 3)(y)  # one more pixel on each side
        found = inspect(tf.keras.Model(x, y))
    rows, columns = found.field.axes
    assert (rows.start, rows.end, rows.size) == (-4, 4, 9)
    assert (columns.start, columns.end, columns.size) == (-2, 2, 5)
    assert found.metrics["receptive_field_px"] == 9


def test_receptive_fields_equal_those_of_gradients() -> None:
    """The pixels that one output of a network of ones depends on, counted from its gradient."""
    x = tf.keras.Input((33, 33, 1))
    options = {"padding": "same", "kernel_initializer": "ones"}
    y = layers.Conv2D(1, 3, strides=2, **options)(x)
    z = layers.Conv2D(1, 3, dilation_rate=2, **options)(y)
    y = layers.UpSampling2D(2)(layers.Add()([y, z]))
    model = tf.keras.Model(x, layers.Conv2D(1, 3, **options)(y))
    image = tf.ones((1, 33, 33, 1))
    with tf.GradientTape() as tape:
        tape.watch(image)
        centre = model(image)[0, 16, :, 0]
    jacobian = tape.jacobian(centre, image)[:, 0, :, :, 0].numpy()
    widest = max((row.any(axis=0)).sum() for row in jacobian[8:25])
    assert inspect(model).metrics["receptive_field_px"] == widest


def test_reports_the_layer_at_which_the_field_is_lost() -> None:
    with weightless():
        x = tf.keras.Input((9, 9, 2))
        # a window of three, dilated by two, behind one of three
        y = RawConvolution(name="raw")(layers.Conv2D(2, 3)(x))
        found = inspect(tf.keras.Model(x, y))
        assert (found.field.lost, found.metrics["receptive_field_px"]) == ("", 7)
        mirrored = layers.Lambda(lambda z: tf.reverse(z, [1]), name="mirrored")
        found = inspect(tf.keras.Model(x, mirrored(layers.Conv2D(2, 3)(x))))
        assert (found.field.lost, found.metrics["receptive_field_px"]) == ("mirrored", 3)
        assert found.bounds == {"receptive_field_px": "at least"}
        # position by position, whatever it computes
        y = layers.Lambda(lambda z: tf.nn.relu(z) * 2.0)(layers.Conv2D(2, 3)(x))
        assert inspect(tf.keras.Model(x, y)).field.lost == ""


def test_slices_and_padding_shift_the_field() -> None:
    ops = tf.keras.ops
    with weightless():
        x = tf.keras.Input((9, 9, 2))
        y = ops.pad(x, ((0, 0), (2, 1), (2, 1), (0, 0)))[:, 1::2, 1::2]
        found = inspect(tf.keras.Model(x, layers.Conv2D(2, 3)(y)))
        rows, _ = found.field.axes
        # position 0 is row 1 of the padded image, row -1 of the image; every second row is read
        assert (rows.start, rows.end, rows.stride) == (-1, 3, 2)
        y = layers.Permute((2, 1, 3))(x)  # rows and columns change places
        rows, columns = inspect(tf.keras.Model(x, layers.Conv2D(2, (3, 1))(y))).field.axes
        assert (rows.size, columns.size) == (1, 3)
        y = layers.Dense(4)(ops.mean(x, axis=-1, keepdims=True))
        assert inspect(tf.keras.Model(x, y)).field.sees_all == ""
        y = layers.GroupNormalization(1, name="group")(x)
        assert inspect(tf.keras.Model(x, y)).field.sees_all == "group"


def test_training_memory_of_a_loop_is_reported_as_an_estimate() -> None:
    with weightless():
        found = inspect(one(layers.LSTM(3), 6, 4), trace_training=True)
    assert found.training_method == "estimate"
    assert found.metrics["activation_train_bytes"] > 0


def test_in_place_does_not_overwrite_the_network_input() -> None:
    with weightless():
        inputs = tf.keras.Input((8, 8, 3))
        x = layers.ReLU()(layers.Rescaling(2.0)(inputs))  # element-wise from the input on
        model = tf.keras.Model(inputs, x)
        found = inspect(model, in_place=True)
    assert found.metrics["activation_infer_peak_bytes"] == 8 * 8 * 3 * 4


@pytest.mark.parametrize(
    ("activation", "expected"),
    # A ReLU overwrites its input; x * sigmoid(x) and GELU read it once more.
    [("relu", 256), ("sigmoid", 256), ("silu", 512), ("gelu", 512), ("hard_silu", 512)],
)
def test_activations_of_several_kernels_are_not_in_place(activation: str, expected: int) -> None:
    with weightless():
        inputs = tf.keras.Input((8, 8, 1))
        x = layers.Conv2D(1, 3, padding="same")(inputs)
        operation = getattr(tf.keras.ops, activation)
        outputs = layers.Activation(activation)(x), operation(x)
        found = [inspect(tf.keras.Model(inputs, one), in_place=True) for one in outputs]
    assert [one.metrics["activation_infer_peak_bytes"] for one in found] == [expected] * 2


def test_the_peak_includes_the_intermediate_maps_of_a_separable_convolution() -> None:
    with weightless():
        narrow = one(layers.SeparableConv2D(1, 3, depth_multiplier=16, padding="same"), 8, 8, 2)
        found = inspect(narrow).metrics
        broad = one(layers.SeparableConv2D(9, 3, padding="same"), 8, 8, 4)
        wide = inspect(broad).metrics
    # 32 maps of 8 x 8 and the one that is made of them; of 4 maps and 9, the 9 are the most.
    assert found["activation_infer_peak_bytes"] == 64 * (32 + 1 - 1) * 4
    assert wide["activation_infer_peak_bytes"] == 64 * 9 * 4


def test_another_input_size_adds_no_memory() -> None:
    """Keras puts a conversion of the images before a network that it calls anew."""
    with weightless():
        fixed, open_ = (
            tf.keras.Sequential([tf.keras.Input(shape), layers.Conv2D(8, 3), layers.ReLU()])
            for shape in ((16, 16, 3), (None, None, 3))
        )
        names = ("activation_sum_bytes", "activation_train_bytes", "activation_infer_peak_bytes")
        as_built = inspect(fixed).metrics
        called = inspect(open_, input_shape=(16, 16, 3)).metrics
    assert [as_built[name] for name in names] == [called[name] for name in names]
