"""``cnnbench predict``: what a network sees in an image."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cnnbench.cli import options
from cnnbench.errors import Unavailable, UserError, brief, is_out_of_memory
from cnnbench.quiet import quiet
from cnnbench.tasks.classification import outputs

if TYPE_CHECKING:
    import numpy as np

    from cnnbench.models.model import Model
    from cnnbench.tasks.classification.prediction import Guess

_T = TypeVar("_T")


@click.command()
@click.argument("model")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--top", type=click.IntRange(min=1), default=3, show_default=True, help="Classes an image."
)
@click.option(
    "--weights",
    metavar="imagenet|FILE",
    help="Default: imagenet; a .keras file comes with its own.",
)
@click.option(
    "--class-names",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Names of the classes, one a line, in the order of the network's outputs.",
)
@click.option(
    "--preprocessing",
    type=click.Choice(["model", "none"]),
    default="model",
    show_default=True,
    help="none: pass images in 0..255.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
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
    """Say what MODEL sees in each IMAGE: the most probable classes, best first.

    The centre of an image is resized to the network's input, its aspect ratio kept, and goes
    through the network's own preprocessing.
    """
    from cnnbench.models import registry

    subject = registry.resolve(model, [Path.cwd()])
    if len(subject.input_shape) != 3:
        may_be_told = not subject.is_trained  # what is in a file is fixed
        hint = "add [input_shape=HxWxC]" if may_be_told else "save it with an input of a fixed size"
        raise UserError(f"the input of {subject.label} is not known as an image", hint=hint)
    names = _class_names(class_names) if class_names else []
    takes_classes = subject.maker.takes("classes")
    apart = outputs.apart(subject.classes)
    if names and apart not in (0, len(names)) and not takes_classes:
        raise UserError(
            f"{len(names)} names, but {subject.label} tells {apart} classes apart",
            str(class_names),
        )
    pictures, notes = _pictures(images, *subject.input_shape)
    if data_dir is not None:  # Keras reads it when it is imported
        os.environ["KERAS_HOME"] = str(data_dir.resolve() / "keras")
    chosen = _weights(subject, weights, data_dir)
    with quiet():
        from cnnbench import analysis
        from cnnbench.probes.accuracy.training import network as scaling
        from cnnbench.tasks.classification import prediction

        analysis.use_standard_keras()
        is_another = takes_classes and len(names) not in (0, subject.classes)
        network = subject.build(weights=chosen, classes=len(names) if is_another else None)
        preprocess = subject.preprocess if preprocessing == "model" else None
        if preprocess:
            notes += scaling.notes(network, preprocess)
        rows = prediction.probabilities(subject, network, pictures, preprocess)
        notes.append(prediction.remark(subject, network))
        # A network in a file of one's own may tell any thousand classes apart.
        may_be_imagenet = not names and not subject.is_trained
        if may_be_imagenet and rows.shape[1] == prediction.IMAGENET_CLASSES:
            try:
                names = prediction.imagenet_names()
            except Unavailable as error:
                notes.append(f"{error}; showing class numbers instead of names")
    if names and len(names) != rows.shape[1]:
        raise UserError(
            f"{subject.label} has {rows.shape[1]} classes, not {len(names)}",
            str(class_names),
        )
    _show(images, [prediction.best(row, top, names) for row in rows], as_json)
    for note in filter(None, notes):
        click.echo(f"cnnbench: {note}", err=True)


def _weights(subject: Model, asked: str | None, data_dir: Path | None) -> str | Path | None:
    """ImageNet's unless the model brings its own; a file is looked for in ``weights/`` too.

    Raises:
        UserError: no such file.
    """
    from cnnbench import files

    if asked is None:
        return None if subject.is_trained else "imagenet"
    if asked == "imagenet":
        return asked
    folders = files.weights_folders([Path()], data_dir)
    found = files.find(asked, folders)
    if found is not None and found.is_file():
        return found
    looked = " or ".join(str(folder / asked) for folder in folders)
    raise UserError(f"no weights file {asked}", "--weights", f"put it at {looked}")


def _pictures(
    files: tuple[Path, ...], height: int, width: int, channels: int
) -> tuple[np.ndarray, list[str]]:
    """Return the images, float32 in 0..255, and remarks on how they were read."""
    import numpy as np

    from cnnbench.data import photographs, tones

    if channels not in (1, 3):
        raise UserError(f"no image has {channels} channels", hint="1 or 3")
    found = [_read(file, photographs.tones_of) for file in files]
    white_is = tones.white(one.brightest for one in found)

    def decoded(file: Path) -> np.ndarray:
        return photographs.decoded(file, height, width, channels, white_is)

    pictures = [_read(file, decoded) for file in files]
    return np.stack(pictures).astype(np.float32), tones.notes(found)


def _read(file: Path, look: Callable[[Path], _T]) -> _T:
    """Return the result of ``look`` for an image file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return look(file)
    except Exception as error:  # Pillow's readers raise what they like
        if is_out_of_memory(error):
            raise
        reason = getattr(error, "strerror", None) or brief(error, 200)
        if type(error).__name__ == "UnidentifiedImageError":
            reason = "not an image"
        raise UserError(f"cannot be read: {reason}", str(file)) from None


def _class_names(file: Path) -> list[str]:
    from cnnbench.files import names_in

    try:
        names = names_in(file)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot be read: {error}", str(file)) from None
    if names:
        return names
    raise UserError("names no class", str(file), "one name a line")


def _show(files: tuple[Path, ...], guesses: list[list[Guess]], as_json: bool) -> None:
    if as_json:
        rows: list[dict[str, Any]] = [
            {
                "image": str(file),
                "classes": [asdict(guess) for guess in best],
            }
            for file, best in zip(files, guesses, strict=True)
        ]
        click.echo(json.dumps(rows, indent=1))
        return
    for file, best in zip(files, guesses, strict=True):
        click.echo(file)
        for guess in best:
            click.echo(f"  {100 * guess.probability:5.1f} %  {guess.name}")
