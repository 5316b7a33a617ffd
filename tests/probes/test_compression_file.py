"""Analysis of a converted file, checked against explicit arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench.errors import JobFailed, Unavailable
from cnnbench.probes.compression import conversion, kernels
from cnnbench.probes.compression.conversion import File
from cnnbench.probes.compression.kernels import Kernel
from cnnbench.probes.compression.variants import Variant, parse
from cnnbench.probes.latency import inside

_SHAPE = (1, 8, 8, 4)
# conv 3x3x4x8 on 8x8, depthwise 3x3x8 on 4x4 (stride 2), dense 8 -> 5
_PARAMS = {"CONV_2D": 3 * 3 * 4 * 8, "DEPTHWISE_CONV_2D": 3 * 3 * 8, "FULLY_CONNECTED": 8 * 5}
_MACS = {
    "CONV_2D": 8 * 8 * 3 * 3 * 4 * 8,
    "DEPTHWISE_CONV_2D": 4 * 4 * 3 * 3 * 8,
    "FULLY_CONNECTED": 8 * 5,
}


@pytest.fixture(scope="module")
def model() -> Any:
    """A network whose first kernel is half zeros, two of every four input channels."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(0)
    layers = tf.keras.layers
    made = tf.keras.Sequential(
        [
            tf.keras.Input(_SHAPE[1:]),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.DepthwiseConv2D(3, strides=2, padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5, activation="softmax"),
        ]
    )
    kernel, bias = made.layers[0].get_weights()
    kernel[:, :, 1::2] = 0  # (height, width, input, output): every other input channel
    made.layers[0].set_weights([kernel, bias])
    return made


def _images() -> Iterator[list[np.ndarray]]:
    rng = np.random.default_rng(0)
    for _ in range(20):
        yield [rng.random(_SHAPE, np.float32)]


@cache
def _kernels(model: Any, variant: str) -> dict[str, Kernel]:
    content = conversion.convert(model, _SHAPE, parse(variant), _images)
    return {kernel.op: kernel for kernel in kernels.read(content)}


@pytest.mark.parametrize(
    ("variant", "dtype", "data"),
    [
        ("float32", "FLOAT32", "FLOAT32"),
        ("ptq-float16", "FLOAT16", "FLOAT32"),
        ("ptq-int8", "INT8", "INT8"),
    ],
)
def test_reads_weights_macs_and_types(model: Any, variant: str, dtype: str, data: str) -> None:
    found = _kernels(model, variant)
    assert {op: kernel.params for op, kernel in found.items()} == _PARAMS
    assert {op: kernel.macs for op, kernel in found.items()} == _MACS
    assert {kernel.dtype for kernel in found.values()} == {dtype}
    assert {kernel.data_dtype for kernel in found.values()} == {data}


def test_a_transposed_convolution_counts_positions_of_its_input() -> None:
    import tensorflow as tf

    layers = tf.keras.layers
    upward = tf.keras.Sequential(
        [tf.keras.Input((4, 6, 5)), layers.Conv2DTranspose(3, 2, strides=2, padding="same")]
    )
    content = conversion.convert(upward, (1, 4, 6, 5), Variant(), _images)
    (kernel,) = kernels.read(content)
    assert (kernel.op, kernel.params) == ("TRANSPOSE_CONV", 2 * 2 * 5 * 3)
    assert kernel.macs == 4 * 6 * 2 * 2 * 5 * 3


@pytest.mark.parametrize("variant", ["float32", "ptq-float16", "ptq-int8"])
def test_counts_zeros_in_every_type(model: Any, variant: str) -> None:
    kernel = _kernels(model, variant)["CONV_2D"]
    assert kernel.zeros >= kernel.params // 2
    assert kernel.is_two_of_four
    assert not _kernels(model, variant)["FULLY_CONNECTED"].is_two_of_four


def test_a_file_has_the_outputs_of_keras(model: Any, tmp_path: Any) -> None:
    file = tmp_path / "m.tflite"
    file.write_bytes(conversion.convert(model, _SHAPE, Variant(), _images))
    images = np.concatenate([image for [image] in _images()])
    answers = File(file)(images)[0]
    np.testing.assert_allclose(answers, np.asarray(model(images)), atol=1e-5)


@pytest.mark.parametrize("variant", ["float32", "ptq-float16"])
def test_rejects_a_file_with_outputs_that_are_not_finite(variant: str, tmp_path: Path) -> None:
    import tensorflow as tf

    broken = tf.keras.Sequential([tf.keras.Input((4,)), tf.keras.layers.Dense(3)])
    broken.set_weights([np.full((4, 3), np.nan, np.float32), np.zeros(3, np.float32)])
    file = tmp_path / "m.tflite"
    file.write_bytes(conversion.convert(broken, (1, 4), parse(variant), _images))
    with pytest.raises(JobFailed, match="its outputs are not"):
        File(file)(np.ones((1, 4), np.float32))


_buffers = count()


def _kernel(values: Any, dtype: str = "FLOAT32", data: str = "FLOAT32") -> Kernel:
    array = np.asarray(values)
    return Kernel("CONV_2D", "k", dtype, data, array, 0, int(array.size) * 10, next(_buffers))


def test_coverage_is_a_share_of_weights_and_of_macs() -> None:
    whole = _kernel(np.ones((2, 8), np.int8), "INT8", "INT8")
    left = replace(_kernel(np.ones((2, 24), np.float32)), name="left")
    variant = parse("qat-int8")
    found = kernels.metrics([whole, left], variant)
    assert found["coverage_params"] == 16 / 64
    assert found["coverage_macs"] == 160 / 640
    named = kernels.details([whole, left], variant)
    assert (named["kernels"], named["kernels_uncovered"]) == (2, 1)
    assert named["uncovered"][0]["name"] == "left"


def test_counts_shared_weights_once_and_their_macs_at_every_use() -> None:
    shared = _kernel(np.tile(np.array([0, 3], np.int8), (4, 5)), "INT8", "INT8")
    again = replace(shared, macs=1000)
    left = _kernel(np.ones((2, 5), np.float32))  # 10 weights, 100 multiply-adds
    found = kernels.metrics([shared, again, left], parse("qat-int8"))
    assert found["sparsity"] == 20 / 50
    assert found["distinct_weights"] == 2
    assert found["coverage_params"] == 40 / 50
    assert found["coverage_macs"] == (400 + 1000) / (400 + 1000 + 100)
    named = kernels.details([left, replace(left, macs=7), shared, again], parse("qat-int8"))
    assert (named["kernels"], named["kernels_uncovered"]) == (2, 1)


def test_a_shared_layer_is_stored_once() -> None:
    import tensorflow as tf

    inputs = tf.keras.Input((8,))
    shared = tf.keras.layers.Dense(8, activation="relu")
    twice = tf.keras.Model(inputs, shared(shared(inputs)))
    first, again = kernels.read(conversion.convert(twice, (1, 8), Variant(), _images))
    assert first.buffer == again.buffer
    assert kernels.details([first, again], Variant()) == {"kernels": 1}


def test_int8_weights_with_float_data_are_dynamic() -> None:
    hybrid = _kernel(np.ones((2, 8), np.int8), "INT8", "FLOAT32")
    assert kernels.covers(hybrid, parse("ptq-dynamic"))
    assert not kernels.covers(hybrid, parse("ptq-int8"))


def test_sparse_means_as_sparse_as_asked() -> None:
    values = np.arange(100) >= 50  # half of them zero
    assert kernels.covers(_kernel(values), parse("pruned-50"))
    assert not kernels.covers(_kernel(values), parse("pruned-80"))
    assert not kernels.covers(_kernel(values.reshape(25, 4)), parse("pruned-2x4"))
    assert kernels.covers(_kernel(np.tile([0, 3, 0, 5], (25, 1))), parse("pruned-2x4"))


def test_clusters_may_differ_from_channel_to_channel() -> None:
    rows = np.stack([np.tile(np.arange(4) + 10 * row, 8) for row in range(6)]).astype(np.int8)
    assert _kernel(rows).distinct == 24
    assert kernels.covers(_kernel(rows), parse("clustered-4"))
    assert not kernels.covers(_kernel(rows), parse("clustered-3"))
    assert not kernels.covers(_kernel(rows.T), parse("clustered-4")), "input channels do not count"
    tiny = _kernel(np.arange(18).reshape(6, 3))
    assert not kernels.covers(tiny, parse("clustered-4")), "three weights a channel say nothing"


def test_distinct_weights_is_a_median_over_weights() -> None:
    large, small = _kernel(np.arange(16).repeat(64)), _kernel(np.arange(100))
    assert kernels.metrics([large, small], Variant())["distinct_weights"] == 16


def test_finds_the_reason_in_the_converters_message() -> None:
    text = (
        "Could not translate MLIR to FlatBuffer.<unknown>:0: error: loc(callsite(...)): "
        "'tf.Bucketize' op is neither a custom op nor a flex op\n<unknown>:0: note: see there\n"
    )
    found = inside.reason(RuntimeError(text))
    assert "'tf.Bucketize' op is neither a custom op nor a flex op" in found
    assert "\n" not in found


def test_reports_a_model_that_cannot_be_converted(capfd: pytest.CaptureFixture[str]) -> None:
    import tensorflow as tf

    inputs = tf.keras.Input((4,))

    class Odd(tf.keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return tf.raw_ops.Betainc(a=x, b=x, x=x)

    odd = tf.keras.Model(inputs, Odd()(inputs))
    with pytest.raises(JobFailed, match=r"the conversion failed: .*Betainc") as caught:
        conversion.convert(odd, (1, 4), Variant(), _images)
    assert "\n" not in str(caught.value)
    assert "Betainc" in capfd.readouterr().err, "its full output goes to the log"


def test_rejects_keras_3_in_use(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from cnnbench.probes.compression import networks

    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "0")
    with pytest.raises(RuntimeError, match="Keras 3 already"):
        networks.use_keras_2()


def test_rejects_weights_of_another_model(model: Any, tmp_path: Any) -> None:
    import tensorflow as tf

    from cnnbench.probes.compression import networks

    networks.save_weights(model, tmp_path)
    other = tf.keras.Sequential([tf.keras.Input((4,)), tf.keras.layers.Dense(3)])
    with pytest.raises(Unavailable, match="the first difference at index 0"):
        networks.load_weights(other, tmp_path / networks.WEIGHTS)
