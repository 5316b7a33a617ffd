"""``inspect``: everything that can be counted of a network, without running it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from dataclasses import field as attribute
from typing import TYPE_CHECKING, Any

from cnnbench.analysis.capacity import largest_batch
from cnnbench.analysis.count import Counted, count, depth
from cnnbench.analysis.fields import Field
from cnnbench.analysis.graph import FLOAT_BYTES, Call, Graph, Uncounted
from cnnbench.analysis.inputs import wanted_inputs
from cnnbench.analysis.keras_api import is_keras2
from cnnbench.analysis.liveness import Liveness, liveness
from cnnbench.analysis.misfit import reason
from cnnbench.analysis.network import operations, traced
from cnnbench.analysis.parameters import Parameters, parameters
from cnnbench.analysis.receptive import receptive_fields
from cnnbench.analysis.rule import Storage
from cnnbench.analysis.training import estimate_training_bytes, traced_training_bytes
from cnnbench.analysis.work import CONVENTIONS, NOTHING, Convention
from cnnbench.core import keras_backend
from cnnbench.core.errors import UserError, nearest

if TYPE_CHECKING:
    import pandas as pd

ESTIMATE, GRADIENT_GRAPH = "estimate", "gradient graph"


@dataclass(frozen=True)
class Row:
    """One layer call: MACs and FLOPs of one image, bytes of the batch, pixels of the input.

    Shapes are those of one image, without the batch axis.
    """

    name: str
    type: str
    output_shape: tuple[int, ...]
    params: int
    macs: int
    flops: int
    activation_bytes: int
    live_bytes: int
    receptive_field_px: int


@dataclass(frozen=True)
class Inspection:
    """What ``inspect`` found.

    Attributes:
        model: the name of the network.
        input_shape: of one image; of the first input where there are several.
        batch_size: images in the batch of the memory metrics.
        convention: the convention of ``macs`` and ``flops``.
        metrics: metric name -> value.
        rows: one a layer call, in order of execution.
        uncounted: what could not be counted, and why.
        bounds: the metrics that are not exact -> ``at least``, ``at most`` or ``about``.
        peak_layer: where ``activation_infer_peak_bytes`` is reached.
        field: the receptive field of the output (of several the largest): start, end and stride an
            axis.
        graph: the operations that were counted.
        dtype: the type that replaced that of activations and weights, if any.
        in_place: whether element-wise layers overwrite their inputs.
        training_method: how ``activation_train_bytes`` was found: ``estimate`` layer by layer, or
            from the ``gradient graph``.
        training_reason: why the gradient graph was not traced where it was asked for, or "".
        unbuilt: layers that inference does not use and that have no weights yet.
    """

    model: str
    input_shape: tuple[int | None, ...]
    batch_size: int
    convention: str
    metrics: dict[str, int | float]
    rows: tuple[Row, ...]
    uncounted: tuple[Uncounted, ...]
    bounds: dict[str, str]
    peak_layer: str
    field: Field
    graph: Graph = attribute(repr=False)
    dtype: str | None = None
    in_place: bool = False
    training_method: str = ESTIMATE
    training_reason: str = ""
    unbuilt: tuple[str, ...] = ()

    @property
    def uncounted_ops(self) -> list[str]:
        """Names of what could not be counted."""
        return [one.name for one in self.uncounted]

    @property
    def uncounted_reasons(self) -> list[str]:
        """Why, in the order of ``uncounted_ops``."""
        return [one.reason for one in self.uncounted]

    @property
    def notes(self) -> list[str]:
        """What a reader of the numbers must know, a sentence each; often nothing."""
        found = [f"not counted: {one.name}: {one.reason}" for one in self.uncounted]
        found += [f"at most: {one.name}: {one.reason}" for one in self.graph.upper]
        if self.unbuilt:
            found.append(
                f"without weights yet, so not in the parameters: {', '.join(self.unbuilt)}"
            )
        if self.training_reason:
            found.append(f"training memory is an estimate: {self.training_reason}")
        if self.field.lost:
            found.append(f"the receptive field is at least this: lost at {self.field.lost}")
        if self.field.sees_all:
            found.append(
                f"every output reads the whole input from {self.field.sees_all} on; the receptive "
                "field is that of the windows before"
            )
        return found

    @property
    def arithmetic_intensity(self) -> float:
        """FLOPs per byte moved, if every layer reads its inputs and writes its outputs once.

        The abscissa of the roofline (Williams, Waterman, Patterson 2009); weights are read once a
        batch.
        """
        moved = sum(
            tensor.bytes(self.batch_size, self.dtype)
            for op in self.graph.ops
            if op.rule is None or op.rule.storage is not Storage.ALIAS
            for tensor in (*op.inputs, *op.outputs)
        )
        return self.metrics["flops"] * self.batch_size / (moved + self.metrics["weight_bytes"])

    def max_batch(self, limit: float) -> int:
        """The largest batch whose weights and inference peak fit ``limit`` bytes; 0 for none."""
        return largest_batch(
            self.graph, int(self.metrics["weight_bytes"]), limit, self.dtype, self.in_place
        )

    def shares(self) -> list[dict[str, Any]]:
        """By type of layer: ``{type, calls, params, macs, macs_share}``, most MACs first."""
        total = max(sum(row.macs for row in self.rows), 1)
        found: dict[str, dict[str, Any]] = {}
        for row in self.rows:
            one = found.setdefault(row.type, {"type": row.type, "calls": 0, "params": 0, "macs": 0})
            one["calls"] += 1
            one["params"] += row.params
            one["macs"] += row.macs
        for one in found.values():
            one["macs_share"] = one["macs"] / total
        return sorted(found.values(), key=lambda one: (-one["macs"], -one["params"], one["type"]))

    @property
    def layers(self) -> pd.DataFrame:
        """The rows as a table."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])

    def to_json(self) -> dict[str, Any]:
        """Plain values: model, input_shape, batch_size, convention, metrics, layers, ..."""
        return {
            "model": self.model,
            "input_shape": list(self.input_shape),
            "batch_size": self.batch_size,
            "convention": self.convention,
            "peak_layer": self.peak_layer,
            "metrics": dict(self.metrics),
            "layers": [
                {**asdict(row), "output_shape": list(row.output_shape)} for row in self.rows
            ],
            "uncounted_ops": list(self.uncounted_ops),
            "uncounted_reasons": self.uncounted_reasons,
            "bounds": dict(self.bounds),
            "notes": self.notes,
            "counted_from": self.graph.method,
        }


def inspect(
    model: Any,
    batch_size: int = 1,
    convention: str = "papers",
    dtype: str | None = None,
    input_shape: Sequence[int] | None = None,
    in_place: bool = False,
    trace_training: bool = False,
    name: str | None = None,
) -> Inspection:
    """Count a live Keras 2 or Keras 3 model; nothing is run and no weight is read.

    Args:
        model: the model; one built inside ``weightless()`` must be inspected inside it.
        batch_size: images in a batch, for the memory metrics.
        convention: ``papers``, ``timm``, ``torchvision`` or ``tf-profiler``.
        dtype: the type of floating-point activations and weights (``float16``); by default
            what each tensor has.
        input_shape: one image, where the model leaves it open or another is wanted.
        in_place: whether element-wise layers may overwrite their input, for the inference peak.
        trace_training: take ``activation_train_bytes`` from the gradient graph (0.1-10 s)
            rather than from the fast estimate layer by layer.
        name: how to call the network; its own name by default.

    Raises:
        UserError: a batch below one, an unknown convention or dtype, unknown dimensions, an input
            that the network cannot take, no state or no arithmetic found, a model of a Keras that
            does not run on TensorFlow.
    """
    if not is_keras2(model):
        keras_backend.check_here()
    rule = check_options(batch_size, convention, dtype)
    inputs = wanted_inputs(model, input_shape)
    graph = traced(model, inputs) if rule.traced else operations(model, inputs)
    found = count(graph, rule)
    weights = parameters(model, graph)
    memory = liveness(graph, batch_size, dtype, in_place)
    fields = receptive_fields(graph)
    uncounted = list(dict.fromkeys(one for op in graph.ops for one in op.uncounted))
    total = sum((op.work for op in graph.ops), NOTHING)
    _check_something_was_found(model, total == NOTHING and not uncounted)
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
    )


def _training_bytes(
    model: Any, graph: Graph, inputs: Any, batch: int, dtype: str | None, trace: bool
) -> tuple[int, str, str]:
    """What training keeps, how it was found, and why it was not traced where it should be."""
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
    """The metrics that are not exact, and how they are to be read."""
    found = dict[str, str]()
    memory = ("activation_sum_bytes", "activation_train_bytes", "activation_infer_peak_bytes")
    if unbuilt:
        found |= dict.fromkeys(("params", "trainable_params", "weight_bytes"), AT_LEAST)
    if is_uncounted:
        found |= dict.fromkeys(("macs", "flops", "depth"), AT_LEAST)
    if graph.upper:
        word = ABOUT if is_uncounted else AT_MOST
        found |= dict.fromkeys(("macs", "flops"), word)
    if field.lost:
        found["receptive_field_px"] = AT_LEAST
    if is_uncounted or graph.has_unknown_sizes:
        found |= dict.fromkeys(memory, AT_LEAST)
    return found


def check_options(batch_size: int, convention: str, dtype: str | None) -> Convention:
    """The convention asked for; raises `UserError` before anything is built."""
    if batch_size < 1:
        raise UserError(f"a batch of {batch_size}", hint="at least one image is needed")
    if dtype is not None and dtype not in FLOAT_BYTES:
        known = ", ".join(FLOAT_BYTES)
        raise UserError(f"unknown dtype '{dtype}'", hint=f"one of {known}")
    if convention not in CONVENTIONS:
        known = ", ".join(CONVENTIONS)
        hint = nearest(convention, CONVENTIONS) or f"one of {known}"
        raise UserError(f"unknown convention '{convention}'", hint=hint)
    return CONVENTIONS[convention]


def _check_something_was_found(model: Any, idle: bool) -> None:
    if idle:
        raise UserError(
            f"no arithmetic was found in '{model.name}'",
            hint="call the model once on an input of its shape, or give --input-shape",
        )


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
