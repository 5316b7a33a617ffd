"""Counts of LiteRT files: equal to those of the Keras network, and named where there is no rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnnbench
from cnnbench.analysis.converted import rules
from cnnbench.analysis.converted.inspection import LEFT_OUT
from cnnbench.analysis.result import Inspection
from cnnbench.analysis.work import Work
from cnnbench.errors import UserError
from cnnbench.models.litert.flatbuffer import Operator, Tensor


def _networks() -> Mapping[str, Any]:
    import tensorflow as tf

    layers = tf.keras.layers
    images = tf.keras.Input((16, 20, 3))

    def separable(x: Any) -> Any:
        x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU(6)(layers.BatchNormalization()(x))
        x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
        x = layers.Conv2D(12, 1, dilation_rate=1)(x)
        x = layers.Conv2D(12, 3, dilation_rate=2, padding="same")(x)
        x = layers.Dense(7)(layers.GlobalAveragePooling2D()(x))
        return layers.Softmax()(layers.Dense(5)(x))

    def up_and_down(x: Any) -> Any:
        down = layers.MaxPooling2D()(layers.Conv2D(6, 3, padding="same", activation="relu")(x))
        up = layers.Conv2DTranspose(4, 3, strides=2, padding="same")(down)
        return layers.Conv2D(3, 1)(layers.Concatenate()([x, up]))

    def attention(x: Any) -> Any:
        x = layers.Reshape((-1, 16))(layers.Conv2D(16, 4, strides=4)(x))
        x = layers.MultiHeadAttention(2, 8)(x, x)
        return layers.Dense(4)(layers.GlobalAveragePooling1D()(x))

    built = (separable, up_and_down, attention)
    networks = {make.__name__: tf.keras.Model(images, make(images)) for make in built}
    rng = np.random.default_rng(0)
    for network in networks.values():  # the converter stores equal biases once
        network.set_weights([rng.uniform(0.5, 1, one.shape) for one in network.get_weights()])
    return networks


@pytest.fixture(scope="module")
def counted(
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, tuple[Inspection, Inspection]]:
    """Return the counts of each network, of Keras and of its file."""
    from cnnbench.probes.latency.runtimes.litert import Conversion

    folder = tmp_path_factory.mktemp("files")
    found = {}
    for name, network in _networks().items():
        file = folder / f"{name}.tflite"
        file.write_bytes(Conversion(network, (1, 16, 20, 3)).converter.convert())
        found[name] = cnnbench.inspect(network), cnnbench.inspect(str(file))
    return found


@pytest.mark.parametrize("name", ["separable", "up_and_down"])
def test_a_file_has_the_multiply_adds_of_the_network_it_was_made_from(
    counted: Mapping[str, tuple[Inspection, Inspection]], name: str
) -> None:
    network, file = counted[name]
    assert file.metrics["macs"] == network.metrics["macs"] > 0
    assert file.metrics["depth"] == network.metrics["depth"]
    assert file.uncounted_ops == []
    assert sum(row.macs for row in file.rows) == file.metrics["macs"]
    assert sum(row.params for row in file.rows) == file.metrics["params"]


def test_attention_is_several_operations_in_a_file(
    counted: Mapping[str, tuple[Inspection, Inspection]],
) -> None:
    network, file = counted["attention"]
    # A convolution with 4 x 5 x 16 outputs, four projections of 20 places, two products of two
    # heads with 8 channels, and a dense layer.
    macs = 320 * 48 + 4 * (20 * 16 * 16) + 2 * (2 * 20 * 20 * 8) + 16 * 4
    assert file.metrics["macs"] == network.metrics["macs"] == macs
    assert file.uncounted_ops == []
    # One layer of Keras is a projection of the values and one of the outputs, one after the other.
    assert (network.metrics["depth"], file.metrics["depth"]) == (3, 4)
    # 784 + 4 x 272 + 68, and in the file the factor of the queries.
    assert (network.metrics["params"], file.metrics["params"]) == (1_940, 1_941)


def test_batch_normalisation_is_part_of_the_kernels_in_a_file(
    counted: Mapping[str, tuple[Inspection, Inspection]],
) -> None:
    network, file = counted["separable"]
    # 216 + 32 + (144 + 16) + (192 + 12) + (1,296 + 12) + (84 + 7) + (35 + 5)
    assert network.metrics["params"] == 2_051
    # Of batch normalisation, four numbers for each of 8 channels become one: the bias of the
    # convolution before it. Nothing is between the two dense layers, so that the 7 biases of the
    # first, times the weights of the second, are part of the biases of the second.
    assert file.metrics["params"] == 2_051 - 4 * 8 + 8 - 7
    assert file.metrics["weight_bytes"] == 4 * file.metrics["params"]
    assert any("batch normalisation is in the kernels" in note for note in file.notes)


def test_what_a_file_cannot_have_is_left_out_with_the_reason(
    counted: Mapping[str, tuple[Inspection, Inspection]],
) -> None:
    _, file = counted["separable"]
    assert not file.metrics.keys() & LEFT_OUT.keys()
    shown = str(file)
    assert "left out: trainable_params, activation_train_bytes: a converted file is not tra" in (
        " ".join(shown.split())
    ).replace("Left out", "left out")
    assert file.to_json()["left_out"] == LEFT_OUT
    assert file.to_csv().splitlines()[0].startswith("name,type,output_shape,params,macs")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"input_shape": (32, 32, 3)}, "the input of a LiteRT file is fixed: 16x20x3"),
        ({"dtype": "float16"}, "the types in a LiteRT file are fixed"),
        ({"convention": "tf-profiler"}, "which a LiteRT file has not"),
    ],
)
def test_refuses_options_that_would_change_a_file(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    from cnnbench.analysis.converted.inspection import inspect_file
    from cnnbench.analysis.work import CONVENTIONS

    graph = replace(_graph(), inputs=(Tensor(0, "x", (1, 16, 20, 3), "FLOAT32"),))
    chosen = {"convention": "papers", "dtype": None, "input_shape": None} | options
    convention = chosen.pop("convention")
    with pytest.raises(UserError, match=words):
        inspect_file(
            graph, 1, (convention, CONVENTIONS[convention]), in_place=False, name="x", fit="",
            limit=None, **chosen,
        )  # fmt: skip


def _graph() -> Any:
    from cnnbench.models.litert.flatbuffer import Network

    given = Tensor(0, "x", (1, 4, 4, 2), "FLOAT32")
    made = Tensor(1, "made", (1, 4, 4, 2), "FLOAT32")
    return Network((given,), (made,), (Operator("Whirl", True, (given,), (made,)),), (given, made))


def test_an_operator_without_a_rule_is_named_and_makes_the_count_a_lower_bound() -> None:
    from cnnbench.analysis.converted.inspection import inspect_file
    from cnnbench.analysis.work import CONVENTIONS

    found = inspect_file(
        _graph(), 1, ("papers", CONVENTIONS["papers"]), None, None, False, "x", "", None
    )
    assert found.uncounted_ops == ["Whirl (made)"]
    assert found.uncounted_reasons == ["Whirl is a custom operator"]
    assert found.bounds == dict.fromkeys(("macs", "flops", "depth"), "at least")
    assert found.metrics["activation_infer_peak_bytes"] == 4 * 4 * 2 * 4


def _operator(
    kind: str, *shapes: tuple[int, ...], out: tuple[int, ...], **options: Any
) -> Operator:
    inputs = tuple(Tensor(place, "", shape, "INT8") for place, shape in enumerate(shapes))
    known = type("Options", (), options)()
    return Operator(kind, False, inputs, (Tensor(9, "", out, "INT8"),), known)


@pytest.mark.parametrize(
    ("operator", "work"),
    [
        # 4 x 4 x 8 outputs of 3 x 3 x 2 each; a bias and a fused activation for each output.
        (
            _operator(
                "CONV_2D", (1, 4, 4, 2), (8, 3, 3, 2), (8,), out=(1, 4, 4, 8),
                fusedActivationFunction=1,
            ),
            Work(macs=128 * 18, bias=128, elementwise=128),
        ),
        # Groups: each of 8 filters sees one of two channels.
        (_operator("CONV_2D", (1, 4, 4, 2), (8, 3, 3, 1), out=(1, 4, 4, 8)), Work(macs=128 * 9)),
        (
            _operator("DEPTHWISE_CONV_2D", (1, 4, 4, 2), (1, 3, 3, 2), out=(1, 4, 4, 2)),
            Work(macs=32 * 9),
        ),
        (_operator("FULLY_CONNECTED", (1, 6), (4, 6), (4,), out=(1, 4)), Work(macs=24, bias=4)),
        # 2 x 2 x 3 inputs, each times 3 x 3 x 5.
        (
            _operator("TRANSPOSE_CONV", (4,), (5, 3, 3, 3), (1, 2, 2, 3), out=(1, 4, 4, 5)),
            Work(macs=12 * 45),
        ),
        (
            _operator("CONV_3D", (1, 4, 4, 4, 2), (3, 3, 3, 2, 5), out=(1, 4, 4, 4, 5)),
            Work(macs=320 * 54),
        ),
        (_operator("BATCH_MATMUL", (2, 3, 4), (2, 4, 5), out=(2, 3, 5)), Work(macs=30 * 4)),
        (
            _operator("BATCH_MATMUL", (2, 4, 3), (2, 4, 5), out=(2, 3, 5), adjX=True),
            Work(macs=30 * 4),
        ),
        (
            _operator(
                "AVERAGE_POOL_2D", (1, 4, 4, 2), out=(1, 2, 2, 2), filterHeight=2, filterWidth=3
            ),
            Work(pooling=8 * 6),
        ),
        (_operator("MEAN", (1, 4, 4, 2), (2,), out=(1, 2)), Work(pooling=32)),
        (_operator("HARD_SWISH", (1, 4), out=(1, 4)), Work(elementwise=4)),
        (_operator("QUANTIZE", (1, 4), out=(1, 4)), Work()),
    ],
)  # fmt: skip
def test_counts_an_operator(operator: Operator, work: Work) -> None:
    assert rules.work(operator) == work
