"""``cnnbench inspect``: count a network, or a single layer, without running it."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import click

from cnnbench import units
from cnnbench.cli import options
from cnnbench.errors import UserError
from cnnbench.quiet import quiet
from cnnbench.text import printable_lines

if TYPE_CHECKING:
    from cnnbench.analysis import Inspection

Shape = tuple[int, ...]
_HOW = {
    "estimate": "an estimate layer by layer (--trace-training)",
    "gradient graph": "the gradient graph",
}


class ShapeType(click.ParamType):
    """``224x224x3``: the sizes of one image."""

    name = "HxWxC"

    def convert(self, value: Any, param: Any, ctx: Any) -> Shape:
        sizes = str(value).lower().split("x")
        if not all(size.isdecimal() and int(size) > 0 for size in sizes):
            raise UserError(f"'{value}' is not a shape", "--input-shape", "for example 224x224x3")
        return tuple(int(size) for size in sizes)


@click.command()
@click.argument("model", required=False)
@click.option("--layer", metavar="LAYER", help='Count one layer: "Conv2D(200,5,padding=same)".')
@click.option("--batch", type=int, default=1, show_default=True, help="Images in a batch.")
@click.option("--input-shape", type=ShapeType(), help="One image, for example 224x224x3.")
@click.option("--layers", is_flag=True, help="A row a layer call.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON on stdout.")
@click.option("--csv", "csv_file", metavar="FILE", help="The layers as CSV; - is stdout.")
@click.option("--html", "html_file", metavar="FILE", help="Charts over depth, one HTML page.")
@click.option("--fit", metavar="MEMORY", help="The largest batch that fits: 2GiB.")
@click.option(
    "--convention",
    default="papers",
    show_default=True,
    metavar="C",
    help="Of MACs and FLOPs: papers, timm, torchvision or tf-profiler.",
)
@click.option("--dtype", help="Of weights and activations: float16; by default the model's own.")
@click.option("--in-place", is_flag=True, help="Element-wise layers may overwrite their input.")
@click.option(
    "--trace-training",
    is_flag=True,
    help="Training memory from the gradient graph (seconds), not the fast estimate.",
)
def command(
    model: str | None,
    layer: str | None,
    batch: int,
    input_shape: Shape | None,
    layers: bool,
    as_json: bool,
    csv_file: str | None,
    html_file: str | None,
    fit: str | None,
    **counting: Any,
) -> None:
    """Count MODEL: parameters, MACs, FLOPs, activation memory, receptive field.

    MODEL is a name of `cnnbench models`, package.module:builder, or a .keras file. Nothing is
    run, and no weight is allocated.
    """
    if (model is None) == (layer is None):
        raise UserError("give a MODEL or --layer, one of the two")
    if batch < 1:
        raise UserError(f"a batch of {batch}", "--batch", "at least one image is needed")
    limit = units.parse(fit, "bytes", "--fit") if fit else None
    to_stdout = [html_file == options.STDOUT, csv_file == options.STDOUT, as_json]
    if sum(to_stdout) > 1:
        raise UserError("--html -, --csv - and --json all go to stdout", hint="name a file for one")
    with quiet():
        found = _inspect(model, layer, input_shape, batch, counting)
    if limit is not None:
        found.metrics["max_batch"] = found.max_batch(limit)
    if html_file:
        _write_html(found, html_file)
    if csv_file:
        _write_csv(found, csv_file)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
    elif not any(to_stdout):
        click.echo(printable_lines(_text(found, layers, fit)), nl=False)


def _inspect(
    model: str | None, layer: str | None, shape: Shape | None, batch: int, counting: dict[str, Any]
) -> Inspection:
    from cnnbench import api

    if layer is None:
        return api.inspect(model, batch, input_shape=shape, **counting)
    if shape is None:
        raise UserError("one layer needs --input-shape", "--layer", "for example 150x100x3")
    return api.inspect_layer(layer, shape, batch_size=batch, **counting)


def _text(found: Inspection, layers: bool, fit: str | None) -> str:
    from cnnbench.analysis import CONVENTIONS
    from cnnbench.report import inspection_text as text

    facts = [
        ("peak at layer", found.peak_layer),
        ("training memory from", _HOW[found.training_method]),
        ("output stride, padding", _geometry(found)),
        ("sees the whole image from", found.field.sees_all or "nowhere"),
        ("counted from", found.graph.method),
        ("FLOPs per byte moved", f"{found.arithmetic_intensity:.1f}"),
    ]
    if fit:
        facts.append(("max_batch is of inference in", fit))
    data = found.to_json()
    parts = [text.summary(data, facts, CONVENTIONS[found.convention].statement)]
    parts += [text.share_table(found.shares())]
    parts += [text.layer_table(data)] if layers else []
    return "\n".join(parts)


def _geometry(found: Inspection) -> str:
    axes = found.field.axes
    strides = "x".join(str(axis.stride) for axis in axes)
    padding = "x".join(str(-axis.start) for axis in axes)
    return f"{strides}, {padding}" if axes else "none"


def _write_csv(found: Inspection, name: str) -> None:
    from cnnbench.results.csv_files import neutral

    rows = found.to_json()["layers"]
    for row in rows:
        row["output_shape"] = "x".join(str(size) for size in row["output_shape"])
        row |= {key: neutral(value) for key, value in row.items()}
    with options.opened(name) as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_html(found: Inspection, name: str) -> None:
    from cnnbench.analysis import CONVENTIONS
    from cnnbench.report.html.inspection import page

    with options.opened(name) as stream:
        stream.write(page(found.to_json(), CONVENTIONS[found.convention].statement))
