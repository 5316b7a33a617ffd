"""``cnnbench predict``: what a model sees in images, printed and drawn."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from cnnbench.cli import options
from cnnbench.quiet import quiet


@click.command()
@click.argument("model")
@click.argument(
    "images",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    metavar="IMAGE|FOLDER...",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    help="Number of predictions to print and draw for each image.  [default: 3; all classes of a "
    "segmentation, with --track all objects]",
)
@click.option(
    "--weights",
    metavar="imagenet|FILE",
    help="Weights to load; with a head, those of the whole network. Default: those in a .keras "
    "file, otherwise imagenet.",
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
@click.option(
    "--draw",
    metavar="FILE|FOLDER/",
    help="Draw the predictions into a copy of the image, a PNG or JPEG file; those of several "
    "images go to a folder, a PNG file each, or with --track to one animated .gif, .webp or .png.",
)
@click.option(
    "--track",
    metavar="TRACKER",
    help="Follow the objects of a detector over the frames in FOLDER: sort, bytetrack, or with "
    "settings, bytetrack[high=0.4].",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@options.data_dir("keras/models/ and weights/")
def command(
    model: str,
    images: tuple[Path, ...],
    top: int | None,
    weights: str | None,
    class_names: Path | None,
    preprocessing: str,
    draw: str | None,
    track: str | None,
    as_json: bool,
    data_dir: Path | None,
) -> None:
    """Print what MODEL sees in each image, best first: classes, or boxes with classes.

    Of a FOLDER all pictures are taken in natural order (frame2 before frame10); those that cannot
    be read are left out and named.

    Each image is fitted to the input of MODEL as in its training, or as its task does (of a
    classifier the centre, whose aspect ratio is kept), and goes through the preprocessing of MODEL.
    Boxes are in px of the whole image, upright.
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
            draw=draw,
            track=track,
        )
    click.echo(json.dumps(found.to_json(), indent=1) if as_json else str(found))
    for note in found.notes:
        click.echo(f"cnnbench: {note}", err=True)
