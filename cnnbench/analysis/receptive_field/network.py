"""Receptive fields of all tensors of a network."""

from __future__ import annotations

from typing import Any

from cnnbench.analysis.graph import Graph, Op, Tensor
from cnnbench.analysis.receptive_field.algebra import carried, unruled
from cnnbench.analysis.receptive_field.field import Field, fixed_axis, of_input

PATIENCE = 50
"""Iterations of a loop after which a field that keeps growing is lost."""


def receptive_fields(graph: Graph) -> dict[Tensor, Field]:
    """Return the field of every tensor that depends on an input of the network."""
    first = 2 if _is_channels_first(graph) else 1
    fields = {tensor: of_input(tensor.sizes, first, 2 - first) for tensor in graph.inputs}
    _run(graph, 0, len(graph.ops), fields)
    return fields


def _run(graph: Graph, start: int, end: int, fields: dict[Tensor, Field]) -> None:
    """Follow the operations from ``start`` to ``end``, loops as often as they run."""
    loops = {loop.end: loop for loop in graph.loops if start <= loop.start and loop.end <= end}
    for position in range(start, end):
        op = graph.ops[position]
        for output in op.outputs:
            fields[output] = _after(op, fields, output)
        loop = loops.get(position + 1)
        if loop is None or (loop.start, loop.end) == (start, end):
            continue
        for iteration in range(loop.iterations - 1):
            name = graph.ops[loop.start].name
            pairs = [(entry, fields[made]) for entry, made in loop.carried if made in fields]
            kept = {entry: carried(made, name) for entry, made in pairs}
            grown = {entry: made for entry, made in kept.items() if made != fields.get(entry)}
            if not grown:
                break
            if iteration == PATIENCE:
                fields.update(
                    {e: made.without_positions(name, e.sizes) for e, made in grown.items()}
                )
            else:
                fields.update(grown)
            _run(graph, loop.start, loop.end, fields)
            if iteration == PATIENCE:
                break


def _after(op: Op, fields: dict[Tensor, Field], output: Tensor) -> Field:
    sources = [fields[tensor] for tensor in op.inputs if tensor in fields]
    if not sources:
        return Field((), tuple(map(fixed_axis, output.sizes)))
    if op.rule is not None and op.rule.move is not None:
        return op.rule.move(op, fields, output)
    return unruled(sources, output.sizes, op.name)


def _is_channels_first(graph: Graph) -> bool:
    """Return whether all layers with windows read their channels first."""
    layouts = {layout for op in graph.ops if (layout := _layout(op)) is not None}
    return layouts == {"first"}


def _layout(op: Op) -> str | None:
    """``first`` or ``last`` for an operation with windows, else None."""
    if not any(word in op.kind for word in ("Conv", "Pool")) or len(op.input.sizes) < 3:
        return None
    if op.layer is not None:
        name = getattr(op.layer, "data_format", None)
    else:
        node: Any = op.nodes[0][0]
        has_format = "data_format" in node.node_def.attr
        name = node.get_attr("data_format").decode() if has_format else None
    if name is None:
        return None
    return "first" if name == "channels_first" or name.startswith("NC") else "last"
