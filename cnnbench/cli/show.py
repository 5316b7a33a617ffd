"""``cnnbench show``: write a picture of annotated examples of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from cnnbench.cli import options
from cnnbench.quiet import quiet


@click.command()
@click.argument("dataset")
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
    default=16,
    show_default=True,
    help="Number of examples.",
)
@click.option(
    "--split",
    type=click.Choice(["train", "test"]),
    default="train",
    show_default=True,
    help="Split of the data set.",
)
@click.option(
    "--size",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Side in px to which examples are fitted. Default: that of the data set.",
)
@options.data_dir("keras/ and tensorflow_datasets/")
def command(
    dataset: str,
    out: Path,
    count: int,
    split: Literal["train", "test"],
    size: int | None,
    data_dir: Path | None,
) -> None:
    """Write a sheet of examples of DATASET with their boxes, names and masks.

    DATASET is a name as in a suite: scenes, "scenes[objects=1,px=64]", fashion_mnist, folder:PATH.
    Small images are enlarged by a whole factor.
    """
    with quiet():
        from cnnbench.api.show import show

        found = show(dataset, out, count=count, split=split, size=size, data_dir=data_dir)
    click.echo(f"{out}: {found.caption}")
    for note in found.notes:
        click.echo(f"cnnbench: {note}", err=True)
