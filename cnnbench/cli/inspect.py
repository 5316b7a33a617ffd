"""``cnnbench inspect``: count a model, or a single layer, without running it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnbench.cli import options
from cnnbench.errors import UserError
from cnnbench.quiet import quiet

if TYPE_CHECKING:
    from cnnbench.analysis.result import Addition, Inspection

Shape = tuple[int, ...]


class ShapeType(click.ParamType):
    """Shape of one image, ``224x224x3``."""

    name = "HxWxC"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Shape:
        sizes = str(value).lower().split("x")
        if not all(size.isdecimal() and int(size) > 0 for size in sizes):
            raise UserError(f"'{value}' is not a shape", "--input-shape", "for example 224x224x3")
        return tuple(int(size) for size in sizes)


@click.command()
@click.argument("model", required=False)
@click.option("--layer", metavar="LAYER", help='Count one layer: "Conv2D(200,5,padding=same)".')
@click.option("--batch", type=int, default=1, show_default=True, help="Images per batch.")
@click.option("--input-shape", type=ShapeType(), help="Shape of one image: 224x224x3.")
@click.option("--layers", is_flag=True, help="Print a table with one row per layer call.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "csv_file", metavar="FILE", help="Write the layers as CSV; - for stdout.")
@click.option(
    "--html", "html_file", metavar="FILE", help="Write charts as an HTML page; - for stdout."
)
@click.option(
    "--profile",
    metavar="RUNTIME",
    help="Run MODEL and measure the time of each operation: litert, onnxruntime or openvino.",
)
@click.option("--fit", metavar="MEMORY", help="Find the largest batch whose inference fits: 2GiB.")
@click.option(
    "--convention",
    default="papers",
    show_default=True,
    metavar="C",
    help="How to count MACs and FLOPs: papers, timm, torchvision or tf-profiler.",
)
@click.option(
    "--dtype", help="Type of weights and activations, e.g. float16. Default: as in the model."
)
@click.option("--in-place", is_flag=True, help="Let element-wise layers overwrite their input.")
@click.option(
    "--trace-training",
    is_flag=True,
    help="Take the training memory from the gradient graph (seconds) instead of an estimate.",
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
    profile: str | None,
    **counting: Any,
) -> None:
    """Count the parameters, MACs, FLOPs, activation memory and receptive field of MODEL.

    MODEL is a name that `cnnbench models` lists, package.module:builder, file.py:builder or a
    .keras or .tflite file. Nothing is run and no weights are allocated, unless --profile is given.
    """
    if (model is None) == (layer is None):
        raise UserError("give either MODEL or --layer")
    if layer is not None and input_shape is None:
        raise UserError("--layer needs --input-shape", hint="for example 150x100x3")
    to_stdout = [html_file == options.STDOUT, csv_file == options.STDOUT, as_json]
    if sum(to_stdout) > 1:
        raise UserError(
            "only one of --html -, --csv - and --json can write to stdout",
            hint="name a file for the others",
        )
    if profile is not None:
        from cnnbench.probes.latency import profile as profiling

        if layer is not None:
            raise UserError("--profile runs a MODEL; a --layer is only counted")
        profiling.check(profile)
    with quiet():
        from cnnbench import analysis

        if layer is not None and input_shape is not None:
            found = analysis.inspect_layer(layer, input_shape, batch_size=batch, **counting)
        else:
            found = analysis.inspect(model, batch, input_shape=input_shape, **counting)
    found = replace(found, additions=_additions(found, model, profile))
    if html_file:
        from cnnbench.report.html import inspection_page

        page = inspection_page(found.to_json(), found.statement, found.additions)
        options.write(page, html_file)
    if csv_file:
        options.write(found.to_csv(), csv_file)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
    elif not any(to_stdout):
        from cnnbench.analysis.inspection_text import as_text

        click.echo(as_text(found, layers), nl=False)


def _additions(found: Inspection, model: str | None, profile: str | None) -> tuple[Addition, ...]:
    """Return what is predicted and measured beside the counts of a model."""
    if model is None:
        return ()
    from cnnbench.forecast import addition

    added = addition(found)
    if profile is None:
        return added
    from cnnbench.models import registry
    from cnnbench.probes.latency import profile as profiling

    click.echo(f"measuring {found.model} in {profile}, about a minute", err=True)
    with quiet():
        resolved = registry.resolve(model, (Path.cwd(),))
        shape = tuple(size for size in found.input_shape if size is not None)
        if len(shape) < len(found.input_shape):
            raise UserError(
                f"{found.model} leaves its input size open", "--profile", "give --input-shape"
            )
        measured = profiling.profile(resolved.with_interface(shape, resolved.classes), profile)
    return (*added, profiling.addition(measured, profiling.check(profile)))
