"""``cnnbench export``: a compressed model as a file, with a card that describes it."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from cnnbench.cli import options


@click.command()
@click.argument("model")
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
    type=click.Choice(["scratch", "transfer"]),
    help="How it was trained: from scratch, or by transfer with a new head.",
)
@click.option(
    "--representative",
    type=int,
    default=100,
    show_default=True,
    help="Training images for the calibration of ptq-int8.",
)
@click.option(
    "--fine-tune-epochs",
    type=int,
    default=2,
    show_default=True,
    help="Epochs of each step that fine-tunes: pruning, clustering, qat-int8.",
)
@click.option(
    "--fine-tune-rate",
    type=float,
    default=0.0001,
    show_default=True,
    help="Learning rate of these steps.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the card.")
@options.data_dir("keras/ and tensorflow_datasets/")
def command(as_json: bool, data_dir: Path | None, **chosen: Any) -> None:
    """Make variant V of the trained MODEL and write it as a LiteRT file.

    Int8 calibration and fine-tuning need the data set; for weights kept by a run
    (trained.weights.h5) it is known. With a data set, the card includes the accuracy of the file.
    """
    from cnnbench.execution import single_jobs
    from cnnbench.probes.compression import export

    run = partial(single_jobs.run, data_dir=data_dir, report_progress=_report_progress)
    made = export.ExportOptions(**chosen)
    card = export.export(made, run)
    click.echo(json.dumps(card, indent=1) if as_json else export.summary(card, made.out))


def _report_progress(message: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{message}", nl=False, err=True)
