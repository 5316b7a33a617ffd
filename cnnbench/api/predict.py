"""`predict`: what a network sees in image files, as its task decodes its outputs."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench import files
from cnnbench.analysis import standard_keras
from cnnbench.api import drawings, image_files, live, tracks
from cnnbench.api.fitted_images import ImageReader
from cnnbench.errors import JobFailed, Unavailable, UserError, brief
from cnnbench.models import output_names, registry, weights_card
from cnnbench.models.model import Model
from cnnbench.tasks.task import TASKS, Prediction
from cnnbench.text import html_table, printable_lines

_MOST_IMAGES = 32  # predicted at once
_MOST_VALUES = 2**24  # in the outputs for them, 128 MiB


@dataclass(frozen=True, repr=False)
class Predictions:
    """Predictions for some images; ``print`` shows them as the command line does.

    Attributes:
        images: the image files.
        predictions: for each image, best first: of a classifier its most probable classes.
        notes: sentences on how images, preprocessing and outputs were interpreted.
        predicted: a plural noun for the predictions of an image: ``classes``.
    """

    images: tuple[Path, ...]
    predictions: list[list[Prediction]]
    notes: list[str] = field(default_factory=list)
    predicted: str = "classes"

    @property
    def classes(self) -> list[list[Any]]:
        """The predictions of a classifier, each with ``number``, ``name`` and ``probability``."""
        return self.predictions

    def __str__(self) -> str:
        lines = []
        for file, found in self._by_image():
            lines += [str(file), *(f"  {one}" for one in found)]
        return printable_lines("\n".join(lines))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        cells = [(str(file), one.cells()) for file, found in self._by_image() for one in found]
        heads = ("Image", *(cells[0][1] if cells else ()))
        return html_table(heads, [(file, *of.values()) for file, of in cells])

    def to_json(self) -> list[dict[str, Any]]:
        """Return plain values: ``[{image, classes: [{number, name, probability}]}]``."""
        return [
            {"image": str(file), self.predicted: [dict(one.to_json()) for one in found]}
            for file, found in self._by_image()
        ]

    def _by_image(self) -> Iterator[tuple[Path, list[Prediction]]]:
        return zip(self.images, self.predictions, strict=True)


def predict(
    model: Any,
    images: Sequence[Path | str],
    top: int | None = None,
    weights: str | None = None,
    class_names: Path | str | None = None,
    preprocessing: bool = True,
    data_dir: Path | str | None = None,
    draw: Path | str | None = None,
    track: str | None = None,
) -> Predictions:
    """Predict image files: what the task of the model decodes, classes or boxes with classes.

    Pictures are brought to the model's input as in its training, which a file of a run states; else
    as its task does. A classifier sees the centre of each, whose aspect ratio is kept. Boxes are
    those in the whole, upright picture.

    Args:
        model: a name as on the command line, or a live Keras model.
        images: image files, and folders for all pictures in them in natural order; a picture of a
            folder that cannot be read is left out and named in the notes.
        top: the number of predictions to return for each image, by default 3, or all masks and
            all tracked objects.
        weights: ``imagenet`` or a weights file; by default the model's own, else ``imagenet``.
        class_names: a text file with the names of the classes, one per line.
        preprocessing: apply the model's own preprocessing; otherwise it gets values in 0..255.
        data_dir: weights files are looked up in its ``weights/`` as well; by default that of
            ``CNNBENCH_DATA``.
        draw: a file, PNG or JPEG, for the picture with its predictions; for several images a
            folder; for tracked frames a folder or an animated GIF, WebP or PNG.
        track: a tracker, ``sort`` or ``bytetrack[high=0.4]``, for a detector and the frames of one
            sequence: objects get an identity.

    Raises:
        UserError: no such model, a file that cannot be read, a head without weights, outputs that
            cannot do the task, a place where nothing can be drawn, or what cannot be tracked.
        Unavailable: weights that are not on this machine.
    """
    if live.is_live(model):
        with live.named(model) as file:
            return predict(
                file, images, top, weights, class_names, preprocessing, data_dir, draw, track
            )
    named = image_files.named(images)
    folder = files.data_folder(data_dir)
    found = registry.resolve(os.fspath(model), [Path.cwd()])
    if len(found.input_shape) != 3:
        can_change = not found.is_trained  # the input of a model in a file is fixed
        hint = "add [input_shape=HxWxC]" if can_change else "save it with an input of a fixed size"
        raise UserError(f"the input of {found.label} is not known as an image", hint=hint)
    tracker = None if track is None else tracks.tracker(track, found, named)
    drawn = None if draw is None else drawings.planned(os.fspath(draw), named, tracker is not None)
    names: Sequence[str] = found.entry.class_names
    if class_names:
        names = _class_names(Path(class_names))
    task = TASKS.find(found.task)
    reader = ImageReader(named, found.input_shape, found.entry.fit or task.fit)
    if tracker is not None:
        tracks.check_sizes(list(reader.sizes()))
    notes: list[str] = []
    image_paths: list[Path] = []
    predictions: list[list[Prediction]] = []
    chosen = _weights(found, weights, folder)
    if isinstance(chosen, Path):
        names = names or weights_card.class_names(chosen)
    with standard_keras():
        from cnnbench.probes.accuracy.training import network as networks

        is_resized = found.factory.takes("classes") and len(names) not in (0, found.classes)
        whole = found.trained(weights=chosen, classes=len(names) if is_resized else None)
        preprocess = found.preprocess if preprocessing else networks.unchanged
        if networks.scales_twice(whole, preprocess):
            notes.append(
                "the inputs are scaled twice, by the preprocessing and by the first layers of the "
                "network; --preprocessing none turns the preprocessing off"
            )
        network, path = networks.select_output(found, whole)
        if path and found.output is None:
            notes.append(output_names.remark(output_names.of(whole), path))
        for batch in reader.batches(_batch_size(network)):
            answers = network.predict(preprocess(batch.pixels), verbose=0)
            outputs = networks.as_arrays(answers, np.float64)
            if not networks.are_finite(outputs):
                raise UserError(f"the outputs of {found.label} are not finite")
            if not image_paths:
                try:
                    names = names or task.published_names(found, outputs)
                except Unavailable as error:
                    notes.append(f"{error}; class numbers are shown instead of names")
            try:
                decoded = (
                    task.decode(outputs, network, names, top or task.most_shown)
                    if tracker is None
                    else tracks.decode(task, outputs, network, names)
                )
            except JobFailed as error:
                raise UserError(str(error), found.label) from None
            image_paths += batch.files
            predictions += [
                [one.placed(placement) for one in of_image]
                for of_image, placement in zip(decoded, batch.placements, strict=True)
            ]
    if tracker is not None:
        predictions = tracks.linked(predictions, tracker, top)
    if drawn is not None:
        drawn.write(image_paths, predictions, reader.white)
    return Predictions(tuple(image_paths), predictions, [*reader.notes(), *notes], task.predicted)


def _batch_size(network: Any) -> int:
    """Return how many images to predict at once, so that large outputs fit into memory."""
    shapes = [output.shape[1:] for output in network.outputs]
    values = sum(math.prod(size or 1 for size in shape) for shape in shapes)
    return max(1, min(_MOST_IMAGES, _MOST_VALUES // max(1, values)))


def _weights(model: Model, asked: str | None, data_dir: Path | None) -> str | Path | None:
    """Return the weights to build ``model`` with; a file is looked up in ``weights/`` as well.

    Raises:
        UserError: no such file.
    """
    if asked is None:
        return None if model.is_trained else "imagenet"
    if asked == "imagenet":
        return asked
    folders = files.weights_folders([Path()], data_dir)
    found = files.find(asked, folders)
    if found is not None and found.is_file():
        return found
    looked = " or ".join(str(folder / asked) for folder in folders)
    raise UserError(f"no weights file {asked}", "--weights", f"put it at {looked}")


def _class_names(file: Path) -> list[str]:
    try:
        names = files.names_in(file)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or brief(error)
        raise UserError(f"cannot be read: {reason}", str(file)) from None
    if names:
        return names
    raise UserError("contains no class names", str(file), "write one name per line")
