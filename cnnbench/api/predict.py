"""`predict`: classify image files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cnnbench import files
from cnnbench.analysis import standard_keras
from cnnbench.errors import Unavailable, UserError, brief, is_out_of_memory
from cnnbench.models import registry
from cnnbench.models.model import Model
from cnnbench.tasks.classification import outputs
from cnnbench.text import html_table, printable_lines

if TYPE_CHECKING:
    import numpy as np

    from cnnbench.tasks.classification.prediction import Guess

_T = TypeVar("_T")


@dataclass(frozen=True, repr=False)
class Predictions:
    """Most probable classes of some images; ``print`` shows them as the command line does.

    Attributes:
        images: the image files.
        classes: for each image, the most probable classes, best first.
        notes: sentences on how images, preprocessing and outputs were interpreted.
    """

    images: tuple[Path, ...]
    classes: list[list[Guess]]
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = []
        for file, best in zip(self.images, self.classes, strict=True):
            lines.append(str(file))
            lines += [f"  {_percent(guess)}  {guess.name}" for guess in best]
        return printable_lines("\n".join(lines))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [
            (str(file), guess.name, _percent(guess))
            for file, best in zip(self.images, self.classes, strict=True)
            for guess in best
        ]
        return html_table(("Image", "Class", "Probability"), rows)

    def to_json(self) -> list[dict[str, Any]]:
        """Return plain values: ``[{image, classes: [{number, name, probability}]}]``."""
        return [
            {"image": str(file), "classes": [asdict(guess) for guess in best]}
            for file, best in zip(self.images, self.classes, strict=True)
        ]


def _percent(guess: Guess) -> str:
    return f"{100 * guess.probability:5.1f} %"


def predict(
    model: str,
    images: Sequence[Path | str],
    top: int = 3,
    weights: str | None = None,
    class_names: Path | str | None = None,
    preprocessing: bool = True,
    data_dir: Path | str | None = None,
) -> Predictions:
    """Classify image files.

    The centre of each image is resized to the model's input; its aspect ratio is kept.

    Args:
        model: a name as on the command line.
        images: image files.
        top: the number of classes to return for each image.
        weights: ``imagenet`` or a weights file; by default the model's own, else ``imagenet``.
        class_names: a text file with the names of the classes, one per line.
        preprocessing: apply the model's own preprocessing; otherwise it gets values in 0..255.
        data_dir: weights files are looked up in its ``weights/`` as well; by default that of
            ``CNNBENCH_DATA``.

    Raises:
        UserError: no such model, a file that cannot be read, or a model that does not classify
            images.
        Unavailable: weights that are not on this machine.
    """
    found = registry.resolve(model, [Path.cwd()])
    if len(found.input_shape) != 3:
        can_change = not found.is_trained  # the input of a model in a file is fixed
        hint = "add [input_shape=HxWxC]" if can_change else "save it with an input of a fixed size"
        raise UserError(f"the input of {found.label} is not known as an image", hint=hint)
    image_files = tuple(map(Path, images))
    names = _class_names(Path(class_names)) if class_names else []
    can_set_classes = found.factory.takes("classes")
    known = outputs.class_count(found.classes)
    if names and known not in (0, len(names)) and not can_set_classes:
        raise UserError(
            f"{len(names)} names, but {found.label} has {known} classes", str(class_names)
        )
    pictures, notes = _pictures(image_files, *found.input_shape)
    chosen = _weights(found, weights, files.data_folder(data_dir))
    with standard_keras():
        from cnnbench.probes.accuracy.training import network as training_network
        from cnnbench.tasks.classification import prediction

        is_resized = can_set_classes and len(names) not in (0, found.classes)
        network = found.build(weights=chosen, classes=len(names) if is_resized else None)
        preprocess = found.preprocess if preprocessing else None
        if preprocess and training_network.scales_twice(network, preprocess):
            notes.append(
                "the inputs are scaled twice, by the preprocessing and by the first layers of the "
                "network; --preprocessing none turns the preprocessing off"
            )
        rows = prediction.probabilities(found, network, pictures, preprocess)
        notes.append(prediction.remark(found, network))
        # A network in a file may have a thousand classes other than ImageNet's.
        can_be_imagenet = not names and not found.is_trained
        if can_be_imagenet and rows.shape[1] == prediction.IMAGENET_CLASSES:
            try:
                names = prediction.imagenet_names()
            except Unavailable as error:
                notes.append(f"{error}; class numbers are shown instead of names")
    if names and len(names) != rows.shape[1]:
        raise UserError(
            f"{len(names)} names, but {found.label} has {rows.shape[1]} classes", str(class_names)
        )
    best = [prediction.best(row, top, names) for row in rows]
    return Predictions(image_files, best, [note for note in notes if note])


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
