"""Match the classes of a folder to the outputs of a trained network."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from cnnbench import files
from cnnbench.errors import JobFailed, Unavailable, nearest
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training_config import IMAGENET
from cnnbench.tasks import outputs

_HOW = "class_names: FILE lists them, one per line, in the order of the outputs"


@dataclass(frozen=True)
class OutputsOf:
    """The place among the outputs of each class of a folder, in the folder's order.

    ``guessed`` says that it follows from the order of the names alone.
    """

    classes: tuple[str, ...]
    places: tuple[int, ...]
    guessed: bool = False

    def notes(self, probs: np.ndarray, labels: np.ndarray) -> list[str]:
        """Remarks for the report on how classes were matched to outputs.

        Args:
            probs: ``(n, outputs)`` of the test images.
            labels: the places that are theirs, ``(n,)``.
        """
        if not self.guessed:
            return []
        found = [
            f"outputs assumed to be in the order of the subfolders, {self.classes[0]} to "
            f"{self.classes[-1]}; if the network has another order, {_HOW}"
        ]
        as_text = {name: place for place, name in enumerate(sorted(self.classes))}
        moved = np.zeros(max(self.places) + 1, np.int64)
        moved[list(self.places)] = [as_text[name] for name in self.classes]
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
    subject: ModelHandle,
    setting: AccuracySetting,
    search_path: Sequence[Path],
) -> OutputsOf:
    """Find the output of each of a folder's ``classes``.

    The first rule that applies decides: the user's list; WordNet ids of ImageNet; as many
    subfolders as outputs, in order; numbers, as indices of the outputs.

    Raises:
        Unavailable: there is no such list.
        JobFailed: a class is unknown to the network, or their numbers differ.
    """
    width = outputs.apart(subject.classes)
    if setting.class_names:
        names = _listed(setting, search_path)
        if len(names) != width:
            raise JobFailed(
                f"'{setting.class_names}' has {len(names)} classes, the network has {width}"
            )
        return OutputsOf(classes, _places(classes, names, setting, f"of '{setting.class_names}'"))
    ids = imagenet_ids()
    is_imagenet_s = setting.weights == IMAGENET and not subject.is_trained
    if is_imagenet_s or (width == len(ids) and set(classes) <= set(ids)):
        what = "of ImageNet: subfolders must be named by WordNet id, for example n01440764"
        return OutputsOf(classes, _places(classes, ids, setting, what))
    if len(classes) == width:
        return OutputsOf(classes, tuple(range(width)), guessed=True)
    if all(name.isdecimal() and int(name) < width for name in classes):
        return OutputsOf(classes, tuple(int(name) for name in classes))
    raise JobFailed(
        f"'{setting.dataset}' has {len(classes)} usable classes, the network has {width}: "
        f"expected one subfolder per class, or {_HOW}"
    )


@cache
def imagenet_ids() -> tuple[str, ...]:
    """The WordNet ids of ImageNet's 1,000 classes, in the order of a network's outputs."""
    file = resources.files("cnnbench.data") / "imagenet_ids.csv"
    with file.open(encoding="utf-8") as lines:
        return tuple(row["wordnet_id"] for row in csv.DictReader(lines))


def _places(
    classes: Sequence[str], names: Sequence[str], setting: AccuracySetting, what: str
) -> tuple[int, ...]:
    of = {name: place for place, name in enumerate(names)}
    for name in classes:
        if name not in of:
            meant = f" ({hint})" if (hint := nearest(name, names)) else ""
            raise JobFailed(f"'{setting.dataset}/{name}' is not a class {what}{meant}")
    return tuple(of[name] for name in classes)


def _listed(setting: AccuracySetting, search_path: Sequence[Path]) -> list[str]:
    asked = str(setting.class_names)
    file = files.find(asked, search_path)
    if file is None or not file.is_file():
        raise Unavailable(f"no file '{asked}' with class names beside the suite")
    if setting.class_names_sha256 and files.sha256(file) != setting.class_names_sha256:
        raise JobFailed(f"'{asked}' has changed since the run was planned; run again")
    try:
        names = files.names_in(file)
    except UnicodeDecodeError as error:
        raise JobFailed(f"'{asked}' is not UTF-8 text: {error}") from None
    if len(set(names)) < len(names):
        raise JobFailed(f"'{asked}' has a duplicate name")
    return names
