"""`predict`: what a network sees in image files, as its task decodes its outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cnnbench import files
from cnnbench.analysis import standard_keras
from cnnbench.errors import JobFailed, Unavailable, UserError, brief, is_out_of_memory
from cnnbench.models import output_names, registry
from cnnbench.models.model import Model
from cnnbench.tasks.task import TASKS, Prediction
from cnnbench.text import html_table, printable_lines

if TYPE_CHECKING:
    import numpy as np

_T = TypeVar("_T")


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
    model: str,
    images: Sequence[Path | str],
    top: int = 3,
    weights: str | None = None,
    class_names: Path | str | None = None,
    preprocessing: bool = True,
    data_dir: Path | str | None = None,
) -> Predictions:
    """Predict image files: classes by a classifier.

    The centre of each image is resized to the model's input; its aspect ratio is kept.

    Args:
        model: a name as on the command line.
        images: image files.
        top: the number of predictions to return for each image.
        weights: ``imagenet`` or a weights file; by default the model's own, else ``imagenet``.
        class_names: a text file with the names of the classes, one per line.
        preprocessing: apply the model's own preprocessing; otherwise it gets values in 0..255.
        data_dir: weights files are looked up in its ``weights/`` as well; by default that of
            ``CNNBENCH_DATA``.

    Raises:
        UserError: no such model, a file that cannot be read, or outputs that cannot do the task.
        Unavailable: weights that are not on this machine.
    """
    import numpy as np

    if not images:
        raise UserError("no images to predict", hint="name at least one image file")
    folder = files.data_folder(data_dir)
    found = registry.resolve(model, [Path.cwd()])
    if len(found.input_shape) != 3:
        can_change = not found.is_trained  # the input of a model in a file is fixed
        hint = "add [input_shape=HxWxC]" if can_change else "save it with an input of a fixed size"
        raise UserError(f"the input of {found.label} is not known as an image", hint=hint)
    image_files = tuple(map(Path, images))
    names: Sequence[str] = _class_names(Path(class_names)) if class_names else ()
    pictures, notes = _pictures(image_files, *found.input_shape)
    chosen = _weights(found, weights, folder)
    task = TASKS.find(found.task)
    with standard_keras():
        from cnnbench.probes.accuracy.training import network as networks

        is_resized = found.factory.takes("classes") and len(names) not in (0, found.classes)
        whole = found.build(weights=chosen, classes=len(names) if is_resized else None)
        preprocess = found.preprocess if preprocessing else networks.unchanged
        if networks.scales_twice(whole, preprocess):
            notes.append(
                "the inputs are scaled twice, by the preprocessing and by the first layers of the "
                "network; --preprocessing none turns the preprocessing off"
            )
        network, path = networks.select_output(found, whole)
        outputs = np.asarray(network.predict(preprocess(pictures), verbose=0), np.float64)
        if not np.isfinite(outputs).all():
            raise UserError(f"the outputs of {found.label} are not finite")
        if path and found.output is None:
            notes.append(output_names.remark(output_names.of(whole), path))
        try:
            names = names or task.published_names(found, outputs)
        except Unavailable as error:
            notes.append(f"{error}; class numbers are shown instead of names")
        try:
            predictions = task.decode(outputs, network, names, top)
        except JobFailed as error:
            raise UserError(str(error), found.label) from None
    return Predictions(image_files, predictions, notes, task.predicted)


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


def _pictures(
    images: Sequence[Path], height: int, width: int, channels: int
) -> tuple[np.ndarray, list[str]]:
    """Return the images, float32 ``(n, height, width, channels)`` in 0..255, and notes on them."""
    import numpy as np

    from cnnbench.data import photographs, tones

    if channels not in (1, 3):
        raise UserError(
            f"the model takes images of {channels} channels", hint="image files give 1 or 3"
        )
    found = [_read(file, photographs.tones_of) for file in images]
    white = tones.white_level(one.brightest for one in found)

    def decoded(file: Path) -> np.ndarray:
        return photographs.decoded(file, height, width, channels, white)

    pictures = [_read(file, decoded) for file in images]
    return np.stack(pictures).astype(np.float32), tones.notes(found)


def _read(file: Path, look: Callable[[Path], _T]) -> _T:
    """Return the result of ``look`` for an image file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return look(file)
    except Exception as error:  # Pillow's readers can raise anything
        if is_out_of_memory(error):
            raise
        reason = getattr(error, "strerror", None) or brief(error, 200)
        if type(error).__name__ == "UnidentifiedImageError":
            reason = "not an image"
        raise UserError(f"cannot be read: {reason}", str(file)) from None


def _class_names(file: Path) -> list[str]:
    try:
        names = files.names_in(file)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or brief(error)
        raise UserError(f"cannot be read: {reason}", str(file)) from None
    if names:
        return names
    raise UserError("contains no class names", str(file), "write one name per line")
