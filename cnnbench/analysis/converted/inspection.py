"""All static metrics of a LiteRT file, from its operators and stored weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnbench.analysis.converted.rules import ALIASES, has_kernel, work
from cnnbench.analysis.count import count, depth
from cnnbench.analysis.graph import ITEM_BYTES, Call, Graph, Op, Tensor, Uncounted
from cnnbench.analysis.inference_memory import largest_batch, liveness
from cnnbench.analysis.receptive_field.field import Field
from cnnbench.analysis.result import Inspection, Row
from cnnbench.analysis.rule import Rule, Storage
from cnnbench.analysis.work import NOTHING, Convention
from cnnbench.errors import UserError
from cnnbench.models.litert import flatbuffer
from cnnbench.models.litert.flatbuffer import Network, Operator
from cnnbench.text import shape_text

OPERATORS = "operators of the file"
LEFT_OUT = {
    "trainable_params": "a converted file is not trained",
    "activation_train_bytes": "a converted file is not trained",
    "receptive_field_px": "it is not followed through the operators of a converted file",
}
_FOLDED = (
    "parameters are those that the file stores: batch normalisation is in the kernels before it"
)
_PACKED = {"int4": 2, "uint4": 2, "int2": 4}  # values in a byte


def network_of(model: Any) -> Network | None:
    """Return the graph of the LiteRT file that a ``keras.Model`` runs; None for all others."""
    layers = getattr(model, "layers", None) or ()
    graphs = (getattr(layer, "graph", None) for layer in layers)
    return next((graph for graph in graphs if isinstance(graph, Network)), None)


def inspect_file(
    network: Network,
    batch_size: int,
    convention: tuple[str, Convention],
    dtype: str | None,
    input_shape: Sequence[int] | None,
    in_place: bool,
    name: str,
    fit: str,
    limit: float | None,
) -> Inspection:
    """Count the operators of a LiteRT file.

    Args:
        network: the graph of the file.
        batch_size, dtype, input_shape, in_place: as of `analysis.inspect`.
        convention: its name, and the convention.
        name: of the file in the result.
        fit, limit: memory for ``max_batch`` as text and in bytes; None for no such metric.

    Raises:
        UserError: an option that a file cannot follow.
    """
    _check(network, convention[1], dtype, input_shape)
    graph = _graph(network)
    found = count(graph, convention[1])
    memory = liveness(graph, batch_size, None, in_place)
    stored = _parameters(network)
    uncounted = list(dict.fromkeys(one for op in graph.ops for one in op.uncounted))
    metrics: dict[str, int | float] = {
        "params": sum(elements for elements, _ in stored.values()),
        "weight_bytes": sum(size for _, size in stored.values()),
        "macs": sum(one.macs for one in found),
        "flops": sum(one.flops for one in found),
        "uncounted_ops": len(uncounted),
        "depth": depth(graph),
        "activation_sum_bytes": memory.total,
        "activation_infer_peak_bytes": memory.peak,
    }
    if limit is not None:
        weights = int(metrics["weight_bytes"])
        metrics["max_batch"] = largest_batch(graph, weights, limit, None, in_place)
    bounds = dict.fromkeys(("macs", "flops", "depth"), "at least") if uncounted else {}
    seen: set[int] = set()
    rows = tuple(
        Row(
            name=op.name,
            type=op.kind,
            output_shape=op.output.sizes[1:],
            params=_own_parameters(op.layer, stored, seen),
            macs=counted.macs,
            flops=counted.flops,
            activation_bytes=made,
            live_bytes=live,
            receptive_field_px=None,
        )
        for op, counted, made, live in zip(graph.ops, found, memory.made, memory.live, strict=True)
    )
    return Inspection(
        model=name,
        input_shape=network.inputs[0].shape[1:],
        batch_size=batch_size,
        convention=convention[0],
        metrics=metrics,
        rows=rows,
        uncounted=tuple(uncounted),
        bounds=bounds,
        peak_layer=graph.ops[memory.peak_position].name if graph.ops else "",
        field=Field(()),
        graph=graph,
        in_place=in_place,
        fit=fit,
        left_out=LEFT_OUT,
        remarks=(_FOLDED,),
    )


def _check(
    network: Network,
    convention: Convention,
    dtype: str | None,
    input_shape: Sequence[int] | None,
) -> None:
    own = network.inputs[0].shape[1:]
    if input_shape is not None and tuple(input_shape) != own:
        what = f"the input of a LiteRT file is fixed: {shape_text(own)}"
        raise UserError(what, "--input-shape", "omit it")
    if dtype is not None:
        raise UserError("the types in a LiteRT file are fixed", "--dtype", "omit it")
    if convention.traced:
        what = "it counts the operations of a TensorFlow graph, which a LiteRT file has not"
        raise UserError(what, "--convention", "papers, timm or torchvision")


def _graph(network: Network) -> Graph:
    """Return the operators that depend on the input, as a graph of the analysis."""
    known = {tensor.index: _tensor(tensor) for tensor in network.inputs}
    graph = Graph(inputs=tuple(known.values()), method=OPERATORS)
    alias = Rule(storage=Storage.ALIAS)
    names: dict[str, int] = {}
    for operator in network.operators:
        read = [one.index for one in operator.inputs if one is not None and one.index in known]
        if not read:  # it unpacks weights, once
            continue
        for one in operator.outputs:
            known[one.index] = _tensor(one)
        done = work(operator)
        name = _name(operator)
        names[name] = names.get(name, 0) + 1
        name = name if names[name] == 1 else f"{name}#{names[name]}"
        graph.ops.append(
            Op(
                call=Call(name, operator.kind, operator),
                kind=operator.kind,
                rule=alias if operator.kind in ALIASES else None,
                layer=operator,
                args={},
                inputs=tuple(known[index] for index in read),
                outputs=tuple(known[one.index] for one in operator.outputs),
                work=NOTHING if done is None else done,
                uncounted=() if done is not None else (_uncounted(operator, name),),
                is_weighted=has_kernel(operator),
            )
        )
    graph.outputs = tuple(known[one.index] for one in network.outputs if one.index in known)
    graph.has_unknown_sizes = any(0 in tensor.sizes for tensor in graph.tensors())
    return graph


def _uncounted(operator: Operator, name: str) -> Uncounted:
    kind = "a custom operator" if operator.is_custom else "an operator without a rule"
    return Uncounted(f"{operator.kind} ({name})", f"{operator.kind} is {kind}")


def _name(operator: Operator) -> str:
    """Return the name of what an operator computes, without the parts the converter adds."""
    text = operator.outputs[0].name.split(";")[0] if operator.outputs else ""
    return text or operator.kind.lower()


def _tensor(tensor: flatbuffer.Tensor) -> Tensor:
    return Tensor(tuple(max(size, 0) for size in tensor.shape), tensor.dtype.lower())


def _parameters(network: Network) -> dict[int, tuple[int, int]]:
    """Return buffer -> (elements, bytes) of every stored weight: numbers, not shapes or axes."""
    read = (one for operator in network.operators for one in operator.inputs if one is not None)
    return {
        one.buffer: (one.elements, _bytes(one))
        for one in read
        if one.is_constant and (one.is_float or one.is_quantised)
    }


def _own_parameters(operator: Operator, stored: dict[int, tuple[int, int]], seen: set[int]) -> int:
    """Return the parameters that an operator reads and no earlier one has read."""
    read = {one.buffer for one in operator.inputs if one is not None and one.is_constant}
    new = (read & stored.keys()) - seen
    seen |= new
    return sum(stored[buffer][0] for buffer in new)


def _bytes(tensor: flatbuffer.Tensor) -> int:
    name = tensor.dtype.lower()
    if name in _PACKED:
        return -(-tensor.elements // _PACKED[name])
    return tensor.elements * ITEM_BYTES.get(name, 4)
