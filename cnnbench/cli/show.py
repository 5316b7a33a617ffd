"""``cnnbench show``: write a picture of a data set, of filters, of feature maps, of images."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from cnnbench.cli import options
from cnnbench.errors import UserError
from cnnbench.quiet import quiet

_LARGEST = 1024  # px


class SizeType(click.ParamType):
    """Side of a square, or height and width: ``160`` or ``70x120``."""

    name = "N|HxW"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | tuple[int, int]:
        sides = str(value).lower().split("x")
        is_size = len(sides) in (1, 2) and all(side.isdecimal() for side in sides)
        if not is_size or not all(1 <= int(side) <= _LARGEST for side in sides):
            hint = f"a side of 1 to {_LARGEST} px, or two as 70x120"
            raise UserError(f"'{value}' is not a size", "--size", hint)
        return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


@click.command()
@click.argument("name", metavar="DATASET|MODEL|IMAGE")
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="Picture file to write; its ending says the format, PNG without one.",
)
@click.option(
    "--count",
    type=click.IntRange(1, 400),
    metavar="N",
    help="Number of examples, filters or maps (of image files only with --layer). Default: 16; 4 "
    "examples with --augment.",
)
@click.option("--split", type=click.Choice(["train", "test"]), help="Split of a data set: train.")
@click.option(
    "--size",
    type=SizeType(),
    help="Size in px to which examples and images are fitted. Default: their own.",
)
@click.option(
    "--augment",
    metavar="SETTINGS",
    help='Add random variants: "flip=horizontal,rotation=0.05", as in the accuracy probe.',
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    type=click.Choice(["vertical", "horizontal"]),
    help="Show the feature map of a hand-made filter on images; may be repeated.",
)
@click.option(
    "--layer",
    metavar="LAYER",
    help='A layer of MODEL by name, or for images a single layer: "MaxPooling2D(2)".',
)
@click.option(
    "--weights",
    metavar="imagenet|FILE",
    help="Weights of MODEL. Default: those in a .keras file, otherwise random ones.",
)
@options.data_dir("keras/, tensorflow_datasets/ and weights/")
def command(
    name: str,
    images: tuple[str, ...],
    out: Path,
    count: int | None,
    split: Literal["train", "test"] | None,
    size: int | tuple[int, int] | None,
    augment: str | None,
    filters: tuple[str, ...],
    layer: str | None,
    weights: str | None,
    data_dir: Path | None,
) -> None:
    """Write a picture: examples of a data set, filters of a model, feature maps of images.

    \b
    DATASET       examples with boxes, names and masks: scenes, folder:PATH
    MODEL         the filters of a layer; with IMAGEs, its feature maps
    IMAGE         with --augment, --filter or --layer what they make of it

    china.jpg and flower.jpg are the photographs of scikit-learn, unless there are such files.
    Small pictures are enlarged by a whole factor.
    """
    with quiet():
        from cnnbench.api.show import show

        found = show(
            name,
            out,
            images=images,
            count=count,
            split=split,
            size=size,
            augment=augment,
            filters=filters,
            layer=layer,
            weights=weights,
            data_dir=data_dir,
        )
    click.echo(f"{out}: {found.caption}")
    for note in found.notes:
        click.echo(f"cnnbench: {note}", err=True)
