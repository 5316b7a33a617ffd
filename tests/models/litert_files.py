"""LiteRT files made by hand, without a converter: one dense layer on an image of 2 x 2 px."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from cnnbench.models.litert import flatbuffer

SHAPE = (2, 2, 1)
KERNEL = np.array([[127, 0, 0, 0], [0, 127, 0, 0], [0, 0, 127, 127]], np.int8)  # x / 127
_FLOAT, _INT8, _INT32 = (
    schema.TensorType.FLOAT32,
    schema.TensorType.INT8,
    schema.TensorType.INT32,
)


def model(custom: str = "", float_tail: bool = False) -> Any:
    """Return a classifier of three classes as the converter writes an int8 file.

    Args:
        custom: name of a custom operator in the place of the softmax; none if empty.
        float_tail: the softmax computes in floating point, after the integers.
    """
    found = schema.ModelT()
    found.version, found.operatorCodes, found.buffers = 3, [], [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.tensors, graph.operators, graph.name = [], [], "main"

    def tensor(name: str, shape: tuple[int, ...], kind: int, scale: float = 0, zero: int = 0,
               data: Any = None) -> int:  # fmt: skip
        one = schema.TensorT()
        one.name, one.shape, one.type = name, list(shape), kind
        one.buffer = len(found.buffers)
        buffer = schema.BufferT()
        if data is not None:
            buffer.data = np.frombuffer(np.asarray(data).tobytes(), np.uint8)
        found.buffers.append(buffer)
        if scale:
            one.quantization = schema.QuantizationParametersT()
            one.quantization.scale, one.quantization.zeroPoint = [scale], [zero]
        graph.tensors.append(one)
        return len(graph.tensors) - 1

    def operator(
        kind: int, inputs: list[int], output: int, options: Any = None, of: int = 0
    ) -> None:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = kind
        code.version = 4 if kind == schema.BuiltinOperator.FULLY_CONNECTED else 2
        if kind == schema.BuiltinOperator.CUSTOM:
            code.customCode, code.version = custom, 1
        found.operatorCodes.append(code)
        one = schema.OperatorT()
        one.opcodeIndex = len(found.operatorCodes) - 1
        one.inputs, one.outputs = inputs, [output]
        one.builtinOptions, one.builtinOptionsType = options, of
        graph.operators.append(one)

    kinds, options = schema.BuiltinOperator, schema.BuiltinOptions
    image = tensor("image", (1, *SHAPE), _FLOAT)
    pixels = tensor("pixels", (1, *SHAPE), _INT8, 1 / 255, -128)
    kernel = tensor("kernel", KERNEL.shape, _INT8, 1 / 127, 0, KERNEL)
    bias = tensor("bias", (3,), _INT32, 1 / 255 / 127, 0, np.zeros(3, np.int32))
    scores = tensor("scores", (1, 3), _INT8, 2 / 255, -128)
    operator(kinds.QUANTIZE, [image], pixels)
    operator(
        kinds.FULLY_CONNECTED, [pixels, kernel, bias], scores,
        schema.FullyConnectedOptionsT(), options.FullyConnectedOptions,
    )  # fmt: skip
    last, shares = scores, schema.SoftmaxOptionsT()
    shares.beta = 1.0
    if float_tail:
        last = tensor("float", (1, 3), _FLOAT)
        operator(kinds.DEQUANTIZE, [scores], last)
    kind, scale = (_FLOAT, 0.0) if float_tail else (_INT8, 1 / 256)
    output = tensor("classes", (1, 3), kind, scale, -128)
    if custom:
        operator(kinds.CUSTOM, [last], output)
    else:
        operator(kinds.SOFTMAX, [last], output, shares, options.SoftmaxOptions)
    if not float_tail:
        last, output = output, tensor("answer", (1, 3), _FLOAT)
        operator(kinds.DEQUANTIZE, [last], output)
    graph.inputs, graph.outputs = [image], [output]
    found.subgraphs = [graph]
    return found


def write(file: Path, content: bytes | None = None, **options: Any) -> Path:
    """Write such a file, or ``content``; return its path."""
    file.write_bytes(flatbuffer.write(model(**options)) if content is None else content)
    return file
