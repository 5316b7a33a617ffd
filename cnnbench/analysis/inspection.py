"""``inspect``: all static metrics of a network, without running it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

from cnnbench import units
from cnnbench.analysis.building import named_model, one_layer_model
from cnnbench.analysis.converted.inspection import inspect_file, network_of
from cnnbench.analysis.count import Counted, Parameters, count, depth, parameters
from cnnbench.analysis.graph import FLOAT_BYTES, Call, Graph
from cnnbench.analysis.inference_memory import Liveness, largest_batch, liveness
from cnnbench.analysis.inputs import wanted_inputs
from cnnbench.analysis.keras_api import is_keras2
from cnnbench.analysis.keras_settings import standard_keras
from cnnbench.analysis.listing.network import operations, traced
from cnnbench.analysis.receptive_field.field import Field
from cnnbench.analysis.receptive_field.network import receptive_fields
from cnnbench.analysis.result import ESTIMATE, GRADIENT_GRAPH, Inspection, Row
from cnnbench.analysis.shape_errors import reason
from cnnbench.analysis.training_memory import estimate_training_bytes, traced_training_bytes
from cnnbench.analysis.weightless import weightless
from cnnbench.analysis.work import CONVENTIONS, NOTHING, Convention
from cnnbench.environment import keras_backend
from cnnbench.errors import UserError, nearest_or_all
from cnnbench.models.registry import resolve


class _CountingOptions(TypedDict, total=False):
    """The options of `inspect` that apply to a single layer as well."""

    batch_size: int
    convention: str
    dtype: str | None
    in_place: bool
    trace_training: bool
    fit: str | float | None


def inspect(
    model: Any,
    batch_size: int = 1,
    convention: str = "papers",
    dtype: str | None = None,
    input_shape: Sequence[int] | None = None,
    in_place: bool = False,
    trace_training: bool = False,
    name: str | None = None,
    fit: str | float | None = None,
) -> Inspection:
    """Count parameters, MACs, FLOPs, activation memory and receptive field of a network.

    Nothing is run. A network that is given by name is built without weights.

    Args:
        model: a live Keras 2 or Keras 3 model (one that was built inside ``weightless()`` must be
            inspected inside it), or a name as on the command line: ``"MobileNetV2[alpha=0.5]"``,
            ``"file.py:builder"``, ``"net.keras"``.
        batch_size: images in a batch, for the memory metrics.
        convention: how MACs and FLOPs are counted: ``papers``, ``timm``, ``torchvision`` or
            ``tf-profiler``.
        dtype: the type of floating-point activations and weights (``float16``); by default
            that of each tensor.
        input_shape: the shape of one image, if the model leaves it open or another is wanted.
        in_place: element-wise layers may overwrite their input, for the inference peak.
        trace_training: take ``activation_train_bytes`` from the gradient graph (0.1-10 s)
            rather than from the fast estimate layer by layer.
        name: the name of the network in the result; its own name by default.
        fit: memory, such as ``"2GiB"`` or bytes; adds the metric ``max_batch``, the largest batch
            whose weights and inference peak fit into it.

    Raises:
        UserError: no such model, one that cannot be built or cannot take the input, unknown
            dimensions, a wrong option, no arithmetic found, or a Keras that does not run on
            TensorFlow.

    Example:
        >>> import cnnbench
        >>> cnnbench.inspect("LeNet5").metrics["macs"]
        416520
    """
    if isinstance(model, str | Path):
        shape = tuple(input_shape) if input_shape is not None else None
        # Before TensorFlow is loaded, so that a misspelt name is reported at once.
        resolved = resolve(str(model), (Path.cwd(),))
        check_options(batch_size, convention, dtype, fit)
        with weightless(), standard_keras():
            network, label = named_model(resolved, shape), name or resolved.label
            return inspect(
                network, batch_size, convention, dtype, shape, in_place, trace_training, label, fit
            )
    if not is_keras2(model):
        keras_backend.check_here()
    rule, limit = check_options(batch_size, convention, dtype, fit)
    words = fit if isinstance(fit, str) else units.show(fit, "bytes")
    if (converted := network_of(model)) is not None:
        named = name or model.name
        counting = (batch_size, (convention, rule), dtype, input_shape, in_place)
        return inspect_file(converted, *counting, named, words, limit)
    inputs = wanted_inputs(model, input_shape)
    graph = traced(model, inputs) if rule.traced else operations(model, inputs)
    found = count(graph, rule)
    weights = parameters(model, graph)
    memory = liveness(graph, batch_size, dtype, in_place)
    fields = receptive_fields(graph)
    uncounted = list(dict.fromkeys(one for op in graph.ops for one in op.uncounted))
    total = sum((op.work for op in graph.ops), NOTHING)
    if total == NOTHING and not uncounted:
        raise UserError(
            f"no arithmetic was found in '{model.name}'",
            hint="call the model on an input once, or give --input-shape",
        )
    output = max((fields[tensor] for tensor in graph.outputs), key=lambda field: field.pixels)
    training, method, why = _training_bytes(model, graph, inputs, batch_size, dtype, trace_training)
    metrics: dict[str, int | float] = {
        "params": weights.total,
        "trainable_params": weights.trainable,
        "weight_bytes": weights.bytes(dtype),
        "macs": sum(one.macs for one in found),
        "flops": sum(one.flops for one in found),
        "uncounted_ops": len(uncounted),
        "receptive_field_px": output.pixels,
        "depth": depth(graph),
        "activation_sum_bytes": memory.total,
        "activation_train_bytes": training,
        "activation_infer_peak_bytes": memory.peak,
    }
    if limit is not None:
        metrics["max_batch"] = largest_batch(
            graph, int(metrics["weight_bytes"]), limit, dtype, in_place
        )
    return Inspection(
        model=name or model.name,
        input_shape=graph.inputs[0].sizes[1:],
        batch_size=batch_size,
        convention=convention,
        metrics=metrics,
        rows=_rows(graph, found, weights, memory, fields),
        uncounted=tuple(uncounted),
        bounds=_bounds(graph, output, bool(uncounted), weights.unbuilt),
        peak_layer=graph.ops[memory.peak_position].name,
        field=output,
        graph=graph,
        dtype=dtype,
        in_place=in_place,
        training_method=method,
        training_reason=why,
        unbuilt=weights.unbuilt,
        fit=words,
    )


def inspect_layer(
    text: str, input_shape: tuple[int, ...], **options: Unpack[_CountingOptions]
) -> Inspection:
    """Count one layer, for example ``"Conv2D(200,5,padding=same)"``.

    Args:
        text: a class of ``keras.layers`` with literal arguments; it is read, never run.
        input_shape: the shape of one image.
        options: as in `inspect`.

    Raises:
        UserError: not a layer, arguments or an input that it does not take, or a wrong option.
    """
    check_options(
        options.get("batch_size", 1),
        options.get("convention", "papers"),
        options.get("dtype"),
        options.get("fit"),
    )
    with weightless(), standard_keras():
        network = one_layer_model(text, input_shape)
        return inspect(network, input_shape=input_shape, name=text, **options)


def _training_bytes(
    model: Any, graph: Graph, inputs: Any, batch: int, dtype: str | None, trace: bool
) -> tuple[int, str, str]:
    """Return the bytes that training keeps, the method, and why a requested trace failed."""
    why = ""
    if trace:
        try:
            return traced_training_bytes(model, inputs, batch, dtype), GRADIENT_GRAPH, ""
        except Exception as error:  # a user's layer may have no gradient, or be no TensorFlow
            why = f"the gradient cannot be traced: {reason(error)}"
    return estimate_training_bytes(graph, batch, dtype), ESTIMATE, why


AT_LEAST, AT_MOST, ABOUT = "at least", "at most", "about"


def _bounds(
    graph: Graph, field: Field, is_uncounted: bool, unbuilt: tuple[str, ...]
) -> dict[str, str]:
    """Return the metrics that are bounds, with the kind of bound."""
    found = dict[str, str]()
    memory = ("activation_sum_bytes", "activation_train_bytes", "activation_infer_peak_bytes")
    if unbuilt:
        found |= dict.fromkeys(("params", "trainable_params", "weight_bytes"), AT_LEAST)
    if is_uncounted:
        found |= dict.fromkeys(("macs", "flops", "depth"), AT_LEAST)
    if graph.upper_bounds:
        word = ABOUT if is_uncounted else AT_MOST
        found |= dict.fromkeys(("macs", "flops"), word)
    if field.lost:
        found["receptive_field_px"] = AT_LEAST
    if is_uncounted or graph.has_unknown_sizes:
        found |= dict.fromkeys(memory, AT_LEAST)
    return found


def check_options(
    batch_size: int, convention: str, dtype: str | None, fit: str | float | None
) -> tuple[Convention, float | None]:
    """Return the convention and the bytes of ``fit``.

    Raises:
        UserError: a wrong option, before anything is built.
    """
    if batch_size < 1:
        raise UserError(
            f"a batch of {batch_size} is too small", "--batch", hint="at least 1 is needed"
        )
    if dtype is not None and dtype not in FLOAT_BYTES:
        hint = nearest_or_all(dtype, FLOAT_BYTES)
        raise UserError(f"unknown dtype '{dtype}'", "--dtype", hint)
    if convention not in CONVENTIONS:
        hint = nearest_or_all(convention, CONVENTIONS)
        raise UserError(f"unknown convention '{convention}'", "--convention", hint)
    return CONVENTIONS[convention], None if fit is None else units.parse(fit, "bytes", "--fit")


def _rows(
    graph: Graph,
    found: list[Counted],
    weights: Parameters,
    memory: Liveness,
    fields: Mapping[Any, Field],
) -> tuple[Row, ...]:
    places: dict[Call, list[int]] = {}
    for position, op in enumerate(graph.ops):
        places.setdefault(op.call, []).append(position)

    def row(call: Call, own: list[int]) -> Row:
        last = graph.ops[own[-1]]
        return Row(
            name=call.name,
            type=call.kind,
            output_shape=last.output.sizes[1:],
            params=weights.by_call[call],
            macs=sum(found[position].macs for position in own),
            flops=sum(found[position].flops for position in own),
            activation_bytes=sum(memory.made[position] for position in own),
            live_bytes=max(memory.live[position] for position in own),
            receptive_field_px=fields[last.output].pixels,
        )

    return tuple(row(call, own) for call, own in places.items())
