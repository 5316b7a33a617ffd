"""Kernels of a converted file: stored values, types, MACs, and what a variant's steps reached.

Uses the generated bindings of the flatbuffer schema, which are part of LiteRT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cnnbench.probes.compression.variants import Variant

# Operations with a kernel: index of the data among the inputs (the kernel is input 1).
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
# Operations that only change how a constant is stored: the kernel is their input.
_UNPACKING = ("DEQUANTIZE", "DENSIFY", "QUANTIZE")
_MOST_NAMED = 40


@dataclass(frozen=True)
class Kernel:
    """The stored weights of one operation; several operations may share them.

    Attributes:
        op: name of the operation in the schema (``CONV_2D``).
        name: name of the tensor, given by the converter.
        dtype: type of the stored values (``INT8``).
        data_dtype: type of the operation's data input.
        values: stored values, input channels last.
        zero: the stored value that represents 0.
        macs: multiply-adds of the operation for one image.
        buffer: index of the buffer that holds the values.
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
        """Number of weights that are zero."""
        return int((self.values == self.zero).sum())

    @cached_property
    def distinct(self) -> int:
        """Number of distinct stored values."""
        return len(np.unique(self.values))

    def has_clusters(self, count: int) -> bool:
        """Return whether the kernel, or each output channel, has at most ``count`` distinct values.

        A folded batch normalisation scales every channel, and int8 has a scale per channel: then
        values are shared only within a channel. Channels of at most ``count`` weights prove
        nothing.
        """
        if self.distinct <= count:
            return True
        axis = -1 if self.op == "DEPTHWISE_CONV_2D" else 0
        channels = np.moveaxis(self.values, axis, 0).reshape(self.values.shape[axis], -1)
        return channels.shape[1] > count and all(len(np.unique(c)) <= count for c in channels)

    @cached_property
    def is_two_of_four(self) -> bool:
        """True if two of every four weights along the input channels are zero."""
        if self.values.shape[-1] % 4:
            return False
        groups = (self.values != self.zero).reshape(-1, 4).sum(axis=1)
        return bool((groups <= 2).all())


def read(flatbuffer: bytes) -> list[Kernel]:
    """Return the constant kernel of every operation in a file, in the order of the operations.

    Raises:
        ValueError: a kernel is stored in an unsupported format.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    names, types = _names(schema.BuiltinOperator), _names(schema.TensorType)
    # Codes up to 127 are in the old field, larger ones in the new field.
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    found: list[Kernel] = []
    for graph in model.subgraphs:
        kinds = [names[codes[op.opcodeIndex]] for op in graph.operators]
        producers = {
            output: (op, kind)
            for op, kind in zip(graph.operators, kinds, strict=True)
            for output in op.outputs
        }
        for op, kind in zip(graph.operators, kinds, strict=True):
            if kind not in _DATA_INPUT or len(op.inputs) < 2:
                continue
            tensor = _stored_tensor(graph, op.inputs[1], producers)
            data = model.buffers[tensor.buffer].data if tensor else None
            if data is not None and len(data):
                found.append(_kernel(graph.tensors, op, kind, tensor, bytes(data), types))
    return found


def metrics(kernels: Sequence[Kernel], variant: Variant) -> dict[str, float]:
    """Return ``sparsity``, ``distinct_weights``, and for all variants but float32 ``coverage_*``.

    Weights that several operations share count once, their MACs at every use.
    ``distinct_weights`` is the median over weights of the number of distinct values stored in the
    weight's kernel.
    """
    stored = _stored(kernels)
    params = sum(kernel.params for kernel in stored)
    if not params:
        return {}
    found = {
        "sparsity": sum(kernel.zeros for kernel in stored) / params,
        "distinct_weights": float(_median_distinct(stored)),
    }
    if variant != Variant():
        done = [kernel for kernel in kernels if covers(kernel, variant)]
        macs = sum(kernel.macs for kernel in kernels)
        found["coverage_params"] = sum(kernel.params for kernel in _stored(done)) / params
        found["coverage_macs"] = sum(kernel.macs for kernel in done) / macs
    return found


def details(kernels: Sequence[Kernel], variant: Variant) -> dict[str, Any]:
    """Return the number of kernels, and those that the variant does not cover, largest first."""
    count = {"kernels": len(_stored(kernels))}
    if variant == Variant():
        return count
    rest = sorted(
        (kernel for kernel in kernels if not covers(kernel, variant)), key=lambda k: -k.params
    )
    return count | {
        "kernels_uncovered": len(_stored(rest)),
        "uncovered": [
            {"op": k.op, "name": k.name, "dtype": k.dtype, "params": k.params, "macs": k.macs}
            for k in rest[:_MOST_NAMED]
        ],
    }


def covers(kernel: Kernel, variant: Variant) -> bool:
    """Return whether every step of ``variant`` is found in the kernel."""
    return all(step.covers(kernel, variant) for step in variant.steps)


def _stored_tensor(graph: Any, index: int, producers: dict[int, tuple[Any, str]]) -> Any:
    """Return the constant behind tensor ``index``; None if it is computed, not stored."""
    while index in producers:
        op, kind = producers[index]
        if kind not in _UNPACKING:
            return None
        index = op.inputs[0]
    return graph.tensors[index]


def _kernel(
    tensors: Any, op: Any, kind: str, tensor: Any, data: bytes, types: dict[int, str]
) -> Kernel:
    dtype = types[tensor.type]
    if dtype not in _NUMPY or tensor.sparsity is not None:
        raise ValueError(f"the kernel of {kind} is stored in an unsupported format, {dtype}")
    values = np.frombuffer(data, _NUMPY[dtype]).reshape(tensor.shape)
    zeros = tensor.quantization.zeroPoint if tensor.quantization is not None else None
    return Kernel(
        op=kind,
        name=bytes(tensor.name).decode(errors="replace").split(";")[0],
        dtype=dtype,
        data_dtype=types[tensors[op.inputs[_DATA_INPUT[kind]]].type],
        values=values,
        zero=int(zeros[0]) if zeros is not None and len(zeros) else 0,
        macs=_macs(kind, values, tensors, op),
        buffer=int(tensor.buffer),
    )


def _macs(kind: str, values: np.ndarray, tensors: Any, op: Any) -> int:
    """Return the multiply-adds of one call: the weights times the positions of the kernel."""
    over = op.inputs[2] if kind == "TRANSPOSE_CONV" else op.outputs[0]
    positions = np.prod([int(size) for size in tensors[over].shape][:-1], dtype=np.int64)
    return int(values.size * positions)


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if not name.startswith("_")}


def _stored(kernels: Sequence[Kernel]) -> list[Kernel]:
    """Return each stored kernel once, however many operations use it."""
    return list({kernel.buffer: kernel for kernel in kernels}.values())


def _median_distinct(kernels: Sequence[Kernel]) -> int:
    ordered = sorted(kernels, key=lambda kernel: kernel.distinct)
    sums = np.cumsum([kernel.params for kernel in ordered])
    return ordered[int(np.searchsorted(sums, sums[-1] / 2))].distinct
