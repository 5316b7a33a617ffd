"""The flatbuffer of a LiteRT file: its tensors and operators, read and written by its schema.

The generated bindings of the schema are part of LiteRT; nothing here imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

from cnnbench.errors import UserError, brief

IDENTIFIER = b"TFL3"  # of a model, behind the first four bytes
SUFFIX = ".tflite"
_FLOATS = frozenset({"FLOAT16", "FLOAT32", "FLOAT64", "BFLOAT16"})
_ALIGNMENT = 16  # of the buffers of weights, as the converter writes them


@dataclass(frozen=True)
class Tensor:
    """A tensor of a file.

    Attributes:
        index: its place in the graph.
        name: given by the converter.
        shape: with the batch axis.
        dtype: as the schema names it: ``FLOAT32``, ``INT8``.
        scale, zero_point: of values that are quantised as a whole, ``scale * (q - zero_point)``;
            0 for others.
        is_quantised: its integers stand for numbers, perhaps with a scale for each channel.
        is_constant: its values are stored in the file.
        buffer: index of the buffer with these values.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0
    is_quantised: bool = False
    is_constant: bool = False
    buffer: int = 0

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def is_float(self) -> bool:
        """True if its values are floating-point numbers."""
        return self.dtype in _FLOATS


@dataclass(frozen=True)
class Operator:
    """One operator of a file, in the order of execution.

    Attributes:
        kind: as the schema names it, ``CONV_2D``; the name of a custom operator.
        is_custom: it is none of LiteRT's own.
        inputs, outputs: tensors; an optional input that is absent is None.
        options: its options by name, in the spelling of the schema; empty if it has none.
    """

    kind: str
    is_custom: bool
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: Any = None

    @property
    def name(self) -> str:
        """The name of its first output, which the converter makes from names of layers."""
        return self.outputs[0].name.split(";")[0] if self.outputs else ""

    @property
    def title(self) -> str:
        """Kind, and the name of what it computes: ``CONV_2D (model/conv1/Relu)``."""
        return f"{self.kind} ({self.name})" if self.name else self.kind


@dataclass(frozen=True)
class Network:
    """The main graph of a file.

    Attributes:
        inputs, outputs: in the order in which a runtime gets and returns them.
        operators: in the order of execution.
        tensors: all of them.
        other_graphs: number of further graphs, the bodies of loops and conditions.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    tensors: tuple[Tensor, ...]
    other_graphs: int = 0


def read_file(file: Path) -> Any:
    """Return the model in a file, as the schema's mutable ``ModelT``.

    Raises:
        UserError: it cannot be read, or is not a complete LiteRT file.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", str(file)) from None
    try:
        return read(content)
    except ValueError as error:
        raise UserError(str(error), str(file), "copy or convert it again") from None


def read(content: bytes) -> Any:
    """Return the model in the bytes of a file; what follows the flatbuffer is ignored.

    Raises:
        ValueError: it is not a complete flatbuffer of a LiteRT model.
    """
    from ai_edge_litert import schema_py_generated as schema

    if content[4:8] != IDENTIFIER:
        kind = "a Git LFS pointer" if content.startswith(b"version https://git-lfs") else "it"
        raise ValueError(f"not a LiteRT file: {kind} does not begin with a flatbuffer of one")
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        if not model.subgraphs or not all(graph.tensors for graph in model.subgraphs):
            raise ValueError("it holds no graph")
        graph_of(model)
    except Exception as error:  # offsets that lead anywhere, in code that checks none
        raise ValueError(f"the LiteRT file is truncated or damaged: {brief(error, 80)}") from None
    return model


def write(model: Any) -> bytes:
    """Return a ``ModelT`` as a flatbuffer; weights keep the alignment that runtimes map them at."""
    builder = _aligned_builder()
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def graph_of(model: Any) -> Network:
    """Return the main graph of a ``ModelT``."""
    graph = model.subgraphs[0]
    tensors = tuple(
        _tensor(index, tensor, model.buffers) for index, tensor in enumerate(graph.tensors)
    )

    def found(indices: Sequence[int] | None) -> tuple[Tensor | None, ...]:
        known = () if indices is None else indices
        return tuple(None if index < 0 else tensors[index] for index in known)

    operators = tuple(
        Operator(
            *kind_of(model.operatorCodes[op.opcodeIndex]),
            inputs=found(op.inputs),
            outputs=tuple(one for one in found(op.outputs) if one is not None),
            options=op.builtinOptions,
        )
        for op in graph.operators or ()
    )
    return Network(
        tuple(tensors[index] for index in graph.inputs),
        tuple(tensors[index] for index in graph.outputs),
        operators,
        tensors,
        len(model.subgraphs) - 1,
    )


def kind_of(code: Any) -> tuple[str, bool]:
    """Return the name of an operator code, and whether it is a custom one."""
    # Codes up to 127 are in the old field, larger ones in the new field.
    name = names("BuiltinOperator").get(max(code.builtinCode, code.deprecatedBuiltinCode), "?")
    if name != "CUSTOM":
        return name, False
    return (text_of(code.customCode) or "CUSTOM"), True


def float_operators(model: Any) -> list[str]:
    """Return the titles of operators that read or write floating-point numbers."""
    return [
        operator.title
        for operator in graph_of(model).operators
        if any(one is not None and one.is_float for one in (*operator.inputs, *operator.outputs))
    ]


def text_of(value: Any) -> str:
    """Return a string of the schema as text."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")


@cache
def names(enumeration: str) -> dict[int, str]:
    """Return the names of an enumeration of the schema by value."""
    from ai_edge_litert import schema_py_generated as schema

    members = vars(getattr(schema, enumeration))
    return {value: name for name, value in members.items() if not name.startswith("_")}


def _tensor(index: int, tensor: Any, buffers: Sequence[Any]) -> Tensor:
    parameters = tensor.quantization
    scales: Sequence[float] = ()
    if parameters is not None and parameters.scale is not None:
        scales = parameters.scale
    is_whole = len(scales) == 1
    stored = buffers[tensor.buffer]
    data = stored.data
    return Tensor(
        index,
        text_of(tensor.name),
        tuple(int(size) for size in (() if tensor.shape is None else tensor.shape)),
        names("TensorType").get(tensor.type, "?"),
        float(scales[0]) if is_whole else 0.0,
        int(parameters.zeroPoint[0]) if is_whole else 0,
        len(scales) > 0,
        (data is not None and len(data) > 0) or bool(getattr(stored, "size", 0)),
        int(tensor.buffer),
    )


def _aligned_builder() -> Any:
    from ai_edge_litert import schema_py_generated as schema

    class Builder(schema.flatbuffers.Builder):  # type: ignore[misc]
        """Builder that aligns long vectors of bytes, which are weights."""

        def StartVector(self, size: int, count: int, alignment: int) -> int:  # noqa: N802
            is_long = size == 1 and count >= _ALIGNMENT
            return int(super().StartVector(size, count, _ALIGNMENT if is_long else alignment))

    return Builder(1024)
