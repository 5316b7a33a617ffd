"""Names of the outputs of a trained network: ImageNet's, and the classes of a folder."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from cnnbench.errors import JobFailed, nearest
from cnnbench.models import weights
from cnnbench.models.handle import ModelHandle
from cnnbench.tasks.classification import outputs
from cnnbench.tasks.task import TrainedOn

_HOW = "class_names: FILE lists them, one per line, in the order of the outputs"


@dataclass(frozen=True)
class OutputsOf:
    """Index of the output of each class of a folder, in the folder's order.

    Attributes:
        classes: names of the folder's classes.
        output_indices: index of the output of each class.
        guessed: assumed from the order of the names alone.
    """

    classes: tuple[str, ...]
    output_indices: tuple[int, ...]
    guessed: bool = False

    def notes(self, probs: np.ndarray, labels: np.ndarray) -> list[str]:
        """Return remarks for the report on how classes were matched to outputs.

        Args:
            probs: ``(n, outputs)`` of the test images.
            labels: index of the right output for each, ``(n,)``.
        """
        if not self.guessed:
            return []
        found = [
            f"outputs assumed to be in the order of the subfolders, {self.classes[0]} to "
            f"{self.classes[-1]}; if the network has another order, {_HOW}"
        ]
        as_text = {name: place for place, name in enumerate(sorted(self.classes))}
        moved = np.zeros(max(self.output_indices) + 1, np.int64)
        moved[list(self.output_indices)] = [as_text[name] for name in self.classes]
        best = probs.argmax(axis=1)
        ours, theirs = float((best == labels).mean()), float((best == moved[labels]).mean())
        if theirs > ours:
            found.append(
                f"with the subfolders sorted as text, as Keras numbers them, top-1 would be "
                f"{100 * theirs:.1f} % instead of {100 * ours:.1f} %"
            )
        return found


def outputs_of(
    classes: tuple[str, ...],
    model: ModelHandle,
    dataset: str,
    trained_on: TrainedOn,
    width: int | None = None,
) -> OutputsOf:
    """Find the output of each of a folder's ``classes``.

    The first rule that applies decides: the user's list; the names that the network's file states,
    if all classes are among them; WordNet ids of ImageNet; as many subfolders as outputs, in order;
    numbers, as indices of the outputs.

    Args:
        classes: names of the folder's classes, in order.
        model: the network.
        dataset: its name, for messages.
        trained_on: what is known of the network's classes.
        width: number of the network's classes; by default those of a classifier, of which a single
            output tells two classes apart.

    Raises:
        JobFailed: a class is unknown to the network, or their numbers differ.
    """
    if width is None:
        width = outputs.class_count(model.classes)
    if trained_on.names is not None:
        names, file = trained_on.names, trained_on.names_file
        if len(names) != width:
            raise JobFailed(f"'{file}' has {len(names)} classes, the network has {width}")
        return OutputsOf(classes, _output_indices(classes, names, dataset, f"of '{file}'"))
    stated = tuple(trained_on.stated)
    if len(stated) == len(set(stated)) == width and set(classes) <= set(stated):
        return OutputsOf(classes, tuple(map(stated.index, classes)))
    ids = imagenet_ids()
    if trained_on.is_imagenet or (width == len(ids) and set(classes) <= set(ids)):
        what = "of ImageNet: subfolders must be named by WordNet id, for example n01440764"
        return OutputsOf(classes, _output_indices(classes, ids, dataset, what))
    if len(classes) == width:
        return OutputsOf(classes, tuple(range(width)), guessed=True)
    if all(name.isdecimal() and int(name) < width for name in classes):
        return OutputsOf(classes, tuple(int(name) for name in classes))
    raise JobFailed(
        f"'{dataset}' has {len(classes)} usable classes, the network has {width}: "
        f"expected one subfolder per class, or {_HOW}"
    )


@cache
def imagenet_ids() -> tuple[str, ...]:
    """Return the WordNet ids of ImageNet's 1,000 classes, in the order of a network's outputs."""
    file = resources.files("cnnbench.data") / "imagenet_ids.csv"
    with file.open(encoding="utf-8") as lines:
        return tuple(row["wordnet_id"] for row in csv.DictReader(lines))


def imagenet_names() -> list[str]:
    """Return the names of ImageNet's classes, in the order of `imagenet_ids`.

    Raises:
        Unavailable: Keras' list of them is not on this machine and cannot be downloaded.
    """
    import tensorflow as tf

    count = len(imagenet_ids())
    # Descending probabilities, so that the names come in order.
    ranked = np.arange(count, 0, -1, dtype=np.float32)[None]
    decode = tf.keras.applications.imagenet_utils.decode_predictions
    with weights.explain_failed_download("ImageNet's class names"):
        decoded = decode(ranked, top=count)
    return [name for _, name, _ in decoded[0]]


def _output_indices(
    classes: Sequence[str], names: Sequence[str], dataset: str, what: str
) -> tuple[int, ...]:
    of = {name: place for place, name in enumerate(names)}
    for name in classes:
        if name not in of:
            meant = f" ({hint})" if (hint := nearest(name, names)) else ""
            raise JobFailed(f"'{dataset}/{name}' is not a class {what}{meant}")
    return tuple(of[name] for name in classes)
