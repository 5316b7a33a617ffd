"""Operations of a LiteRT file, and shorter copies of it that end after one of them.

A copy shares the bytes of the file: only the number of operators and the list of outputs change,
so that no weights are serialised again. Uses the generated bindings of the flatbuffer schema, which
are part of LiteRT.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from cnnbench.analysis.converted import rules
from cnnbench.models.litert import flatbuffer
from cnnbench.models.litert.flatbuffer import Operator

_SUBGRAPH_OUTPUTS, _SUBGRAPH_OPERATORS, _MODEL_SIGNATURES = 8, 10, 18  # of the schema's tables
_ALIGNMENT = 4


class LiteRTGraph:
    """The main graph of a file.

    Args:
        content: of a ``.tflite`` file.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        graph = flatbuffer.graph_of(flatbuffer.read(content))
        self.operations = graph.operators
        self._outputs = {tensor.index for tensor in graph.outputs}

    def live_after(self, count: int) -> tuple[int, ...]:
        """Return the tensors that the first ``count`` operators make for later ones or as outputs.

        A network that ends there must have them all as outputs: a runtime does not compute what
        nobody reads.
        """
        made = [tensor.index for one in self.operations[:count] for tensor in one.outputs]
        wanted = {t for one in self.operations[count:] for t in computed(one)} | self._outputs
        return tuple(dict.fromkeys(tensor for tensor in made if tensor in wanted))

    def ending_after(self, count: int) -> bytes:
        """Return a copy of the file that ends after the first ``count`` operators, 1 or more."""
        from ai_edge_litert import schema_py_generated as schema

        content = bytearray(self._content)
        root = schema.Model.GetRootAs(content, 0)
        graph, model = root.Subgraphs(0)._tab, root._tab
        operators = graph.Vector(graph.Offset(_SUBGRAPH_OPERATORS))
        _write(content, operators - 4, count)
        if signatures := model.Offset(_MODEL_SIGNATURES):  # they name outputs that may be gone
            _write(content, model.Vector(signatures) - 4, 0)
        outputs = self.live_after(count)
        content += bytes(-len(content) % _ALIGNMENT)
        field = graph.Pos + graph.Offset(_SUBGRAPH_OUTPUTS)
        _write(content, field, len(content) - field)  # offsets are relative to where they stand
        content += struct.pack(f"<I{len(outputs)}i", len(outputs), *outputs)
        return bytes(content)


def _write(content: bytearray, place: int, value: int) -> None:
    struct.pack_into("<I", content, place, value)


def computed(operator: Operator) -> tuple[int, ...]:
    """Return the indices of the tensors that an operator reads and that are not stored."""
    return tuple(one.index for one in operator.inputs if one is not None and not one.is_constant)


def macs(operator: Operator) -> int | None:
    """Return the multiply-adds of one call, or None if the operator has no rule."""
    found = rules.work(operator)
    return None if found is None else found.macs


def dtype(operator: Operator) -> str:
    """Return the type of an operator's first output, ``FLOAT32``; empty if it has none."""
    return operator.outputs[0].dtype if operator.outputs else ""


def taken(
    operations: Sequence[Operator], nodes: Sequence[Mapping[str, Any]]
) -> tuple[frozenset[int], int]:
    """Return the positions of the operators that delegates took, and the number of partitions.

    Args:
        operations: of the file.
        nodes: of an interpreter whose tensors are allocated, ``Interpreter._get_ops_details()``:
            the operators of the file, then one node for each partition.
    """
    makers = {t.index: place for place, one in enumerate(operations) for t in one.outputs}
    found: set[int] = set()
    partitions = nodes[len(operations) :]
    for node in partitions:
        before = {int(tensor) for tensor in node["inputs"]}
        pending = [int(tensor) for tensor in node["outputs"]]
        while pending:
            place = makers.get(pending.pop())
            if place is not None and place not in found:
                found.add(place)
                pending += [t for t in computed(operations[place]) if t not in before]
    return frozenset(found), len(partitions)
