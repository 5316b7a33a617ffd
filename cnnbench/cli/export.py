"""``cnnbench export``: a compressed model as a file, with a card that describes it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from cnnbench.cli import options


@click.command()
@click.argument("model", metavar="MODEL|RUN")
@click.argument("of_run", required=False, metavar="[MODEL]")
@click.option(
    "--variant",
    default="float32",
    show_default=True,
    metavar="V",
    help="Compression steps: ptq-int8, pruned-50+qat-int8, ...",
)
@click.option(
    "--nms",
    is_flag=True,
    help="Put decoding and NMS of a detector inside the file: it returns boxes.",
)
@click.option(
    "--int8-io",
    is_flag=True,
    help="Give the file int8 inputs and outputs, for hardware without floating point; refused if "
    "anything in it stays in floating point.",
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Weights of the trained model: .weights.h5, .h5 or .keras; not needed if MODEL has them.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="LiteRT file to write; its card gets the same name with the ending .json.",
)
@click.option(
    "--dataset",
    metavar="NAME",
    help="Data set it was trained on: fashion_mnist, folder:PATH, ...",
)
@click.option(
    "--image-size",
    type=click.IntRange(4, 4096),
    help="Side of its images in px, if MODEL states no input shape.",
)
@click.option(
    "--recipe",
    type=click.Choice(["scratch", "transfer", "continue"]),
    help="How it was trained: from scratch, by transfer with a new head, or further.",
)
@click.option(
    "--representative",
    type=int,
    help="Training images for the calibration of ptq-int8.  [default: 100, or as in the run]",
)
@click.option(
    "--fine-tune-epochs",
    type=int,
    help="Epochs of each step that fine-tunes: pruning, clustering, qat-int8.  [default: 2, or as "
    "in the run]",
)
@click.option(
    "--fine-tune-rate",
    type=float,
    help="Learning rate of these steps.  [default: 0.0001, or as in the run]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the card.")
@options.data_dir("keras/ and tensorflow_datasets/")
def command(as_json: bool, of_run: str | None, data_dir: Path | None, **chosen: Any) -> None:
    """Make variant V of a trained model and write it as a LiteRT file.

    Of a RUN (its folder, or its suite's for the newest) the MODEL may be left out if the suite's
    question has an answer, or if only one was trained. Weights, data set, input size and classes
    are the run's, which keeps them with `keep_weights: true` or a compression entry; a variant that
    the run has made is taken as it is.

    Otherwise MODEL is a name, with --weights and, for int8 calibration and fine-tuning, --dataset;
    or a .keras file of a run, which says itself what it was trained on. With a data set, the card
    includes the accuracy of the file.
    """
    from cnnbench.api import export_plan
    from cnnbench.probes.compression import exported_file
    from cnnbench.probes.compression.export_options import ExportOptions

    made = ExportOptions(**chosen)
    card = export_plan.carry_out(made, of_run, data_dir, _report_progress)
    click.echo(json.dumps(card, indent=1) if as_json else exported_file.summary(card, made.out))


def _report_progress(message: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{message}", nl=False, err=True)
