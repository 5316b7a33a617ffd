"""What is really in a converted file: its kernels, their stored values and the work they do.

Read with the schema's own bindings, which come with LiteRT.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

# Operations with a kernel: where their data is among the inputs (the kernel is input 1).
_DATA_INPUT = {
    "CONV_2D": 0,
    "DEPTHWISE_CONV_2D": 0,
    "FULLY_CONNECTED": 0,
    "CONV_3D": 0,
    "BATCH_MATMUL": 0,
    "TRANSPOSE_CONV": 2,
}
_NUMPY = {
    "FLOAT32": "<f4",
    "FLOAT16": "<f2",
    "INT8": "i1",
    "UINT8": "u1",
    "INT16": "<i2",
    "INT32": "<i4",
}
# They only change how a constant is stored: the kernel is what they read.
_UNPACKING = ("DEQUANTIZE", "DENSIFY", "QUANTIZE")


@dataclass(frozen=True)
class Kernel:
    """The weights of one operation, as they are stored; several operations may share them.

    Attributes:
        op: the operation, in the schema's words (``CONV_2D``).
        name: of the tensor, as the converter named it.
        dtype: of the stored values (``INT8``).
        data_dtype: of what the kernel is applied to.
        values: as stored, in the file's layout: input channels last.
        zero: the stored value that stands for 0.
        macs: multiply-adds of the operation for one image.
        buffer: where in the file they are stored.
    """

    op: str
    name: str
    dtype: str
    data_dtype: str
    values: np.ndarray
    zero: int
    macs: int
    buffer: int

    @property
    def params(self) -> int:
        return int(self.values.size)

    @cached_property
    def zeros(self) -> int:
        """How many of the weights are zero."""
        return int((self.values == self.zero).sum())

    @cached_property
    def distinct(self) -> int:
        """How many different values are stored."""
        return len(np.unique(self.values))

    def has_clusters(self, count: int) -> bool:
        """Whether no more than ``count`` different weights are in it, or in each output channel.

        A batch normalisation folded into a kernel multiplies every channel, and int8 has a scale
        for each: the values are shared within a channel then. (A channel with no more weights
        than that says nothing.)
        """
        if self.distinct <= count:
            return True
        axis = -1 if self.op == "DEPTHWISE_CONV_2D" else 0
        channels = np.moveaxis(self.values, axis, 0).reshape(self.values.shape[axis], -1)
        return channels.shape[1] > count and all(len(np.unique(c)) <= count for c in channels)

    @cached_property
    def is_two_of_four(self) -> bool:
        """Whether of every four weights along the input channels two are zero."""
        if self.values.shape[-1] % 4:
            return False
        groups = (self.values != self.zero).reshape(-1, 4).sum(axis=1)
        return bool((groups <= 2).all())


def kernels(flatbuffer: bytes) -> list[Kernel]:
    """The constant kernel of every operation of the file, in their order.

    Raises:
        ValueError: a kernel is stored in a way that is not known here.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    ops, types = _names(schema.BuiltinOperator), _names(schema.TensorType)
    found: list[Kernel] = []
    for graph in model.subgraphs:
        producers = {output: op for op in graph.operators for output in op.outputs}
        for op in graph.operators:
            name = ops[_code(model.operatorCodes[op.opcodeIndex])]
            if name in _DATA_INPUT and len(op.inputs) > 1:
                found.extend(_kernel(model, graph, op, name, producers, ops, types))
    return found


def _kernel(
    model: Any,
    graph: Any,
    op: Any,
    name: str,
    producers: dict[int, Any],
    ops: dict[int, str],
    types: dict[int, str],
) -> Iterator[Kernel]:
    index = op.inputs[1]
    while index in producers:
        producer = producers[index]
        if ops[_code(model.operatorCodes[producer.opcodeIndex])] not in _UNPACKING:
            return  # computed, not stored
        index = producer.inputs[0]
    tensor = graph.tensors[index]
    data = model.buffers[tensor.buffer].data
    if data is None or not len(data):
        return
    dtype = types[tensor.type]
    if dtype not in _NUMPY or tensor.sparsity is not None:
        raise ValueError(f"the kernel of {name} is stored as {dtype}, in a form not known here")
    values = np.frombuffer(bytes(data), _NUMPY[dtype]).reshape(tensor.shape)
    quantised = tensor.quantization
    zeros = quantised.zeroPoint if quantised is not None else None
    yield Kernel(
        op=name,
        name=bytes(tensor.name).decode(errors="replace").split(";")[0],
        dtype=dtype,
        data_dtype=types[graph.tensors[op.inputs[_DATA_INPUT[name]]].type],
        values=values,
        zero=int(zeros[0]) if zeros is not None and len(zeros) else 0,
        macs=_macs(name, values, graph.tensors, op),
        buffer=int(tensor.buffer),
    )


def _macs(name: str, values: np.ndarray, tensors: Any, op: Any) -> int:
    """Multiply-adds of one call: every weight once a position that the kernel is applied at."""
    output = [int(size) for size in tensors[op.outputs[0]].shape]
    if name == "TRANSPOSE_CONV":
        positions = [int(size) for size in tensors[op.inputs[2]].shape][:-1]
    else:
        positions = output[:-1]
    return int(values.size * np.prod(positions, dtype=np.int64))


def _code(operator: Any) -> int:
    # Up to 127 the old field counts, beyond it the new one.
    return max(int(operator.builtinCode), int(operator.deprecatedBuiltinCode))


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if not name.startswith("_")}
