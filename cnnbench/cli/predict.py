"""``cnnbench predict``: classify images."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from cnnbench.cli import options
from cnnbench.quiet import quiet


@click.command()
@click.argument("model")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Number of classes to print for each image.",
)
@click.option(
    "--weights",
    metavar="imagenet|FILE",
    help="Weights to load. Default: those in a .keras file, otherwise imagenet.",
)
@click.option(
    "--class-names",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Text file with the names of the classes, one per line, in the order of the outputs.",
)
@click.option(
    "--preprocessing",
    type=click.Choice(["model", "none"]),
    default="model",
    show_default=True,
    help="The model's own preprocessing, or none: pixel values in 0..255.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@options.data_dir("keras/models/ and weights/")
def command(
    model: str,
    images: tuple[Path, ...],
    top: int,
    weights: str | None,
    class_names: Path | None,
    preprocessing: str,
    as_json: bool,
    data_dir: Path | None,
) -> None:
    """Print the most probable classes of each image in IMAGES, best first.

    The centre of each image is resized to the input of MODEL (its aspect ratio is kept) and goes
    through the preprocessing of MODEL.
    """
    if data_dir is not None:  # Keras reads it when it is imported
        os.environ["KERAS_HOME"] = str(data_dir / "keras")
    with quiet():
        from cnnbench.api.predict import predict

        found = predict(
            model,
            images,
            top=top,
            weights=weights,
            class_names=class_names,
            preprocessing=preprocessing == "model",
            data_dir=data_dir,
        )
    click.echo(json.dumps(found.to_json(), indent=1) if as_json else str(found))
    for note in found.notes:
        click.echo(f"cnnbench: {note}", err=True)
