"""Operators of a LiteRT file: what XNNPACK takes, files that end earlier, and times from them.

The file is written with the schema's bindings, so that every number follows by hand; TensorFlow is
not needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from cnnbench.models.litert.flatbuffer import Operator, Tensor
from cnnbench.probes.latency.runtimes import prefixes
from cnnbench.probes.latency.runtimes.executed import Executed, RanOperation
from cnnbench.probes.latency.runtimes.litert_graph import (
    LiteRTGraph,
    computed,
    dtype,
    macs,
    taken,
)

SIDE, CHANNELS = 4, 2
KERNEL = np.array([[1, 2], [3, -4]], np.float32)  # output x input channels
IMAGE = np.arange(SIDE * SIDE * CHANNELS, dtype=np.float32).reshape(1, SIDE, SIDE, CHANNELS)


def tensor(name: str, shape: tuple[int, ...], buffer: int) -> Any:
    made = schema.TensorT()
    made.name, made.shape, made.buffer = name.encode(), list(shape), buffer
    made.type = schema.TensorType.FLOAT32
    return made


def operator(code: int, inputs: list[int], outputs: list[int], kind: int, options: Any) -> Any:
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = code, inputs, outputs
    made.builtinOptionsType, made.builtinOptions = kind, options
    return made


@pytest.fixture(scope="module")
def content() -> bytes:
    """Return a file: a 1x1 convolution, its addition to the input, and the maximum with it."""
    import flatbuffers

    model, graph = schema.ModelT(), schema.SubGraphT()
    codes = []
    builtin = schema.BuiltinOperator
    for kind in (builtin.CONV_2D, builtin.ADD, builtin.MAXIMUM):
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = kind
        code.version = 1
        codes.append(code)
    shape = (1, SIDE, SIDE, CHANNELS)
    graph.tensors = [
        tensor("image", shape, 0),
        tensor("kernel", (CHANNELS, 1, 1, CHANNELS), 1),
        tensor("bias", (CHANNELS,), 2),
        tensor("conv;fused", shape, 0),
        tensor("sum", shape, 0),
        tensor("largest", shape, 0),
    ]
    conv, options = schema.Conv2DOptionsT(), schema.BuiltinOptions
    conv.strideW = conv.strideH = conv.dilationWFactor = conv.dilationHFactor = 1
    graph.operators = [
        operator(0, [0, 1, 2], [3], options.Conv2DOptions, conv),
        operator(1, [3, 0], [4], options.AddOptions, schema.AddOptionsT()),
        operator(2, [4, 3], [5], options.MaximumMinimumOptions, schema.MaximumMinimumOptionsT()),
    ]
    graph.inputs, graph.outputs = [0], [5]
    buffers = []
    for values in (None, KERNEL, np.zeros(CHANNELS, np.float32)):
        buffer = schema.BufferT()
        buffer.data = None if values is None else np.frombuffer(values.tobytes(), np.uint8)
        buffers.append(buffer)
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, codes, [graph], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def opened(content: bytes) -> Interpreter:
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], IMAGE)
    return interpreter


def outputs(content: bytes) -> list[np.ndarray]:
    interpreter = opened(content)
    interpreter.invoke()
    return [interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()]


def indices(tensors: Iterable[Tensor]) -> tuple[int, ...]:
    return tuple(one.index for one in tensors)


def node(one: Operator) -> dict[str, object]:
    """Return an operator as an interpreter tells it."""
    return {"inputs": computed(one), "outputs": indices(one.outputs)}


def test_operators_are_read_with_their_macs(content: bytes) -> None:
    assert [
        (one.kind, one.name, computed(one), indices(one.outputs), macs(one), dtype(one))
        for one in LiteRTGraph(content).operations
    ] == [
        ("CONV_2D", "conv", (0,), (3,), 4 * 16, "FLOAT32"),
        ("ADD", "sum", (3, 0), (4,), 0, "FLOAT32"),
        ("MAXIMUM", "largest", (4, 3), (5,), 0, "FLOAT32"),
    ]


def test_the_multiply_adds_of_an_operator_without_a_rule_are_unknown() -> None:
    assert macs(Operator("MINE", True, (), (Tensor(0, "out", (1, 4), "FLOAT32"),))) is None


def test_a_shorter_file_gives_what_its_last_operator_makes(content: bytes) -> None:
    graph, conv = LiteRTGraph(content), IMAGE @ KERNEL.T
    (first,) = outputs(graph.ending_after(1))
    np.testing.assert_array_equal(first, conv)
    # The convolution is read by the maximum too, so it stays an output.
    assert graph.live_after(2) == (3, 4)
    kept, added = outputs(graph.ending_after(2))
    np.testing.assert_array_equal(kept, conv)
    np.testing.assert_array_equal(added, conv + IMAGE)
    (whole,) = outputs(graph.ending_after(3))
    np.testing.assert_array_equal(whole, np.maximum(conv + IMAGE, conv))
    np.testing.assert_array_equal(whole, outputs(content)[0])


def test_shorter_files_have_fewer_operators(content: bytes) -> None:
    graph = LiteRTGraph(content)
    assert [len(LiteRTGraph(graph.ending_after(n)).operations) for n in (1, 2, 3)] == [1, 2, 3]


def test_xnnpack_takes_the_whole_of_a_simple_network(content: bytes) -> None:
    nodes = opened(content)._get_ops_details()
    assert taken(LiteRTGraph(content).operations, nodes) == ({0, 1, 2}, 1)


def test_operators_between_two_partitions_are_not_taken() -> None:
    tensors = [Tensor(place, f"t{place}", (1,), "FLOAT32") for place in range(6)]
    operations = [
        Operator("CONV_2D", False, (before,), (after,)) for before, after in pairwise(tensors)
    ]
    own = [node(one) for one in operations]
    partitions = [{"inputs": [0], "outputs": [2]}, {"inputs": [3], "outputs": [5]}]
    assert taken(operations, [*own, *partitions]) == ({0, 1, 3, 4}, 2)
    assert taken(operations, own) == (frozenset(), 0)


def test_shares_are_of_operations_and_of_macs() -> None:
    operations = (
        RanOperation("CONV_2D", True, 300, "INT8"),
        RanOperation("SOFTMAX", False, 0, "FLOAT32"),
        RanOperation("CONV_2D", False, 100, "FLOAT32"),
    )
    found = Executed("XNNPACK", operations, partitions=1)
    assert found.metrics() == {
        "accelerated_ops": 1 / 3,
        "accelerated_macs": 0.75,
        "accelerated_partitions": 1,
    }
    assert found.details()["not_accelerated"] == [
        {"op": "CONV_2D", "count": 1, "macs": 100},
        {"op": "SOFTMAX", "count": 1, "macs": 0},
    ]
    assert found.details()["precisions"] == {"INT8": 1, "FLOAT32": 2}
    # A provider that does not tell MACs or partitions.
    assert Executed("P", (RanOperation("Conv", True),)).metrics() == {"accelerated_ops": 1.0}
    assert Executed("P", ()).metrics() == {}


class Machine:
    """Files that take a set time, by the clock that they move themselves."""

    def __init__(self, seconds: dict[int, float]) -> None:
        self.now, self.seconds, self.opened = 0.0, seconds, list[int]()

    def clock(self) -> float:
        return self.now

    def open(self, content: bytes) -> Any:
        count = len(LiteRTGraph(content).operations)
        self.opened.append(count)

        def invoke() -> None:
            self.now += self.seconds[count]

        return invoke


def nodes_of(content: bytes) -> list[dict[str, object]]:
    """Return the nodes of an interpreter whose delegate took the first two operators."""
    operations = LiteRTGraph(content).operations
    return [*map(node, operations), {"inputs": [0], "outputs": [3, 4]}]


def test_an_operator_takes_the_difference_between_two_files(content: bytes) -> None:
    machine = Machine({1: 0.010, 2: 0.011, 3: 0.015})
    found = prefixes.profiled(content, machine.open, nodes_of(content), 3.0, machine.clock)
    assert [one.seconds for one in found.operations] == pytest.approx([0.010, 0.001, 0.004])
    assert [one.part for one in found.operations] == ["XNNPACK", "XNNPACK", "LiteRT"]
    assert found.seconds == pytest.approx(sum(one.seconds for one in found.operations))
    assert found.resolution_s == pytest.approx(0.0)
    assert machine.opened == [1, 2, 3] * prefixes.ROUNDS
    assert [one.kind for one in found.heaviest()] == ["CONV_2D", "MAXIMUM", "ADD"]
    assert found.by_kind()[0] == ("CONV_2D", 1, pytest.approx(0.010), 64)


def test_a_longer_file_is_never_faster() -> None:
    assert list(prefixes.increasing(np.array([1.0, 3.0, 2.0, 5.0]))) == [1, 2.5, 2.5, 5]
    assert list(prefixes.increasing(np.array([]))) == []


def test_at_least_five_calls_are_timed_and_the_fastest_count() -> None:
    took = iter([9.0, 9.0, 5.0, 4.0, 1.0, 3.0, 2.0])  # two to warm up
    machine = Machine({})

    def invoke() -> None:
        machine.now += next(took)

    assert prefixes.fastest(invoke, 0.001, machine.clock) == 1.0
