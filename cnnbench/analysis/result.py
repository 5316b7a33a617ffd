"""`Inspection`: the result of counting a network."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from dataclasses import field as attribute
from typing import TYPE_CHECKING, Any

from cnnbench.analysis.graph import Graph, Uncounted
from cnnbench.analysis.inference_memory import largest_batch
from cnnbench.analysis.receptive_field.field import Field
from cnnbench.analysis.work import CONVENTIONS
from cnnbench.text import neutral, shape_text

if TYPE_CHECKING:
    import pandas as pd

ESTIMATE, GRADIENT_GRAPH = "estimate", "gradient graph"
_METHODS = {
    ESTIMATE: "estimate (exact: --trace-training)",
    GRADIENT_GRAPH: "gradient graph",
}


@dataclass(frozen=True)
class Row:
    """One layer call: MACs and FLOPs per image, bytes per batch, receptive field in input pixels.

    Shapes are without the batch axis. The receptive field is None if it is not followed.
    """

    name: str
    type: str
    output_shape: tuple[int, ...]
    params: int
    macs: int
    flops: int
    activation_bytes: int
    live_bytes: int
    receptive_field_px: int | None


@dataclass(frozen=True)
class AddedTable:
    """A table that is shown below the counts; ``numbers`` columns at the end are numbers."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: int
    note: str = ""


@dataclass(frozen=True)
class Addition:
    """Numbers beside the counts of an inspection, which were not counted: measured or predicted.

    Attributes:
        key: of its values in JSON.
        value: plain values.
        facts: a name and a text each, which say how the numbers were found.
        tables: shown below the counts.
    """

    key: str
    value: Any
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[AddedTable, ...] = ()


@dataclass(frozen=True, repr=False)
class Inspection:
    """Result of ``inspect``; ``print`` shows it as the command line does.

    Attributes:
        model: the name of the network.
        input_shape: the shape of one image; of the first input if there are several.
        batch_size: images in the batch of the memory metrics.
        convention: the convention of ``macs`` and ``flops``.
        metrics: metric name -> value.
        rows: one per layer call, in execution order.
        uncounted: operations that could not be counted, with the reason.
        bounds: metrics that are not exact -> ``at least``, ``at most`` or ``about``.
        peak_layer: the layer at which ``activation_infer_peak_bytes`` is reached.
        field: the receptive field of the output (the largest of several): start, end and stride
            per axis.
        graph: the operations that were counted.
        dtype: the type that replaced that of activations and weights, if any.
        in_place: element-wise layers may overwrite their inputs.
        training_method: how ``activation_train_bytes`` was found: ``estimate`` layer by layer, or
            from the ``gradient graph``.
        training_reason: why the gradient graph could not be traced although requested, or "".
        unbuilt: layers that inference does not use and that have no weights yet.
        fit: the memory of ``metrics["max_batch"]``, as text; empty if it was not asked for.
        left_out: metrics that have no meaning for this model, with the reason.
        remarks: further notes, without the full stop.
        additions: what was measured or predicted beside the counts.
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
    fit: str = ""
    left_out: Mapping[str, str] = attribute(default_factory=dict)
    remarks: tuple[str, ...] = ()
    additions: tuple[Addition, ...] = ()

    def __str__(self) -> str:
        from cnnbench.analysis.inspection_text import as_text

        return as_text(self).rstrip("\n")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from cnnbench.analysis.inspection_text import as_html

        return as_html(self)

    @property
    def uncounted_ops(self) -> list[str]:
        """Names of the operations that could not be counted."""
        return [one.name for one in self.uncounted]

    @property
    def uncounted_reasons(self) -> list[str]:
        """Reasons, in the order of ``uncounted_ops``."""
        return [one.reason for one in self.uncounted]

    @property
    def notes(self) -> list[str]:
        """Remarks on the numbers, one sentence each; often empty."""
        found = [f"not counted: {one.name}: {one.reason}" for one in self.uncounted]
        found += [f"at most: {one.name}: {one.reason}" for one in self.graph.upper_bounds]
        if self.unbuilt:
            found.append(
                f"without weights yet, so not in the parameters: {', '.join(self.unbuilt)}"
            )
        if self.training_reason:
            found.append(f"training memory is an estimate: {self.training_reason}")
        if self.field.lost:
            found.append(
                "the receptive field is a lower bound: it cannot be followed through "
                f"{self.field.lost}"
            )
        if self.field.sees_all:
            found.append(
                f"from {self.field.sees_all} on, every output depends on the whole input; the "
                "receptive field is that of the layers before it"
            )
        for why in dict.fromkeys(self.left_out.values()):
            named = [name for name, reason in self.left_out.items() if reason == why]
            found.append(f"left out: {', '.join(named)}: {why}")
        return [*found, *self.remarks]

    @property
    def statement(self) -> str:
        """The convention of MACs and FLOPs in words."""
        return CONVENTIONS[self.convention].statement

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Further facts in words, a name and a text each."""
        axes = self.field.axes
        strides = shape_text(axis.stride for axis in axes)
        padding = shape_text(-axis.start for axis in axes)
        found = [("layer of the inference peak", self.peak_layer)]
        if "activation_train_bytes" in self.metrics:
            found.append(("training memory method", _METHODS[self.training_method]))
        if "receptive_field_px" in self.metrics:
            found += [
                ("output stride, padding", f"{strides}, {padding}" if axes else "none"),
                ("first layer with a global field", self.field.sees_all or "none"),
            ]
        found += [
            ("counting method", self.graph.method),
            ("FLOPs per byte moved", f"{self.arithmetic_intensity:.1f}"),
        ]
        found += [("max_batch is for inference in", self.fit)] if self.fit else []
        return found + [fact for one in self.additions for fact in one.facts]

    @property
    def arithmetic_intensity(self) -> float:
        """FLOPs per byte moved, if every layer reads its inputs and writes its outputs once.

        The abscissa of the roofline (Williams, Waterman, Patterson 2009); weights are read once a
        batch.
        """
        moved = sum(
            tensor.bytes(self.batch_size, self.dtype)
            for op in self.graph.ops
            if not op.is_alias
            for tensor in (*op.inputs, *op.outputs)
        )
        return self.metrics["flops"] * self.batch_size / (moved + self.metrics["weight_bytes"])

    def max_batch(self, limit: float) -> int:
        """Return the largest batch whose weights and inference peak fit ``limit`` bytes; or 0."""
        return largest_batch(
            self.graph, int(self.metrics["weight_bytes"]), limit, self.dtype, self.in_place
        )

    def shares(self) -> list[dict[str, Any]]:
        """Return ``{type, calls, params, macs, macs_share}`` per type of layer, most MACs first."""
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

    def to_csv(self) -> str:
        """Return the layers as CSV, with no text that a spreadsheet runs."""
        cells = [{**asdict(row), "output_shape": shape_text(row.output_shape)} for row in self.rows]
        stream = io.StringIO()
        writer = csv.DictWriter(stream, list(cells[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: neutral(value) for name, value in one.items()} for one in cells)
        return stream.getvalue()

    def to_json(self) -> dict[str, Any]:
        """Return plain values: model, input_shape, batch_size, convention, metrics, layers, ..."""
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
            **({"left_out": dict(self.left_out)} if self.left_out else {}),
            **{one.key: one.value for one in self.additions},
        }
