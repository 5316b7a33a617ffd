"""Outputs of a localiser: selected from those of a network, and decoded to predictions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbench.errors import JobFailed, UserError
from cnnbench.models import output_names
from cnnbench.tasks.classification import outputs as of_classes
from cnnbench.tasks.classification.outputs import Kind
from cnnbench.tasks.localization import boxes
from cnnbench.tasks.objective import Arrays
from cnnbench.tasks.prediction import box_in_picture, box_json, edges_text
from cnnbench.tasks.task import Prediction, Shape
from cnnbench.text import shape_text

if TYPE_CHECKING:
    from cnnbench.data.drawing import Mark
    from cnnbench.data.fitting import Placement

BOXES, CLASSES = "boxes", "classes"
ROLES = (BOXES, CLASSES)

_COORDINATES = 4
# A name that says both, as `box_class`, says nothing.
_NAMES = {
    BOXES: re.compile("box|loc", re.IGNORECASE),
    CLASSES: re.compile("class|label|prob|cls", re.IGNORECASE),
}
EXPECTED = (
    "a localiser returns two outputs: 'boxes', four values an image (x, y, width, height), and "
    "'classes', one value a class"
)


@dataclass(frozen=True)
class Located(Prediction):
    """One predicted class of an image, with the box of the image's object.

    Attributes:
        number: index of the class, from 0.
        name: name of the class.
        probability: between 0 and 1.
        box: top, left, bottom, right, as fractions of the image.
        picture: height and width in px of the picture that they are fractions of; None if they are
            fractions of the network's input.
    """

    number: int
    name: str
    probability: float
    box: tuple[float, float, float, float]
    picture: tuple[int, int] | None = None

    def __str__(self) -> str:
        return (
            f"{100 * self.probability:5.1f} %  {self.name}  ({edges_text(self.box, self.picture)})"
        )

    def cells(self) -> dict[str, str]:
        return {
            "Class": self.name,
            "Probability": f"{100 * self.probability:5.1f} %",
            "Box": edges_text(self.box, self.picture),
        }

    def to_json(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in ("number", "name", "probability")}
        return {**found, **box_json(self.box, self.picture)}

    def placed(self, placement: Placement) -> Located:
        """Return the prediction with its box in the original picture, clipped to it."""
        box = box_in_picture(self.box, placement)
        return replace(self, box=box, picture=placement.picture)

    def mark(self, number: int) -> Mark:
        from cnnbench.data.drawing import Mark

        return Mark(f"{self.name} {100 * self.probability:.1f} %", number, box=self.box)


def paths(outputs: Mapping[str, Shape], wanted: str | None, label: str) -> dict[str, str]:
    """Return the path of the boxes and that of the classes.

    They are found by name (``box``, ``loc``; ``class``, ``label``, ``prob``, ``cls``) or, if the
    names do not decide, by width: the boxes are the output with four values per image. ``wanted``
    selects those whose paths begin with it, if the network returns several pairs.

    Raises:
        UserError: there are no such outputs, or their shapes are not a localiser's.
    """
    known = output_names.below(outputs, wanted, label)
    found = _by_name(known) or _by_width(known)
    if found is None:
        raise UserError(f"{label}: {EXPECTED}", hint=output_names.shapes_text(outputs))
    for role, path in found.items():
        shape = known[path]
        if len(shape) != 2 or (role == BOXES and shape[1] != _COORDINATES):
            count = "four values" if role == BOXES else "one value a class"
            what = (
                f"the {role} of {label}, its output '{path}', are {shape_text(shape[1:])} an image"
            )
            raise UserError(what, hint=f"expected {count}")
    return found


def _by_name(known: Mapping[str, Shape]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for path in known:
        name = path.rpartition(".")[2]
        roles = [role for role in ROLES if _NAMES[role].search(name)]
        if len(roles) == 1 and found.setdefault(roles[0], path) != path:
            return None  # two of one kind
    return found if len(found) == len(ROLES) else None


def _by_width(known: Mapping[str, Shape]) -> dict[str, str] | None:
    of_box = [path for path, shape in known.items() if shape[1:] == (_COORDINATES,)]
    others = [path for path in known if path not in of_box]
    if len(of_box) != 1 or len(others) != 1:
        return None
    return {BOXES: of_box[0], CLASSES: others[0]}


def kind_of_classes(network: Any) -> Kind:
    """Return the kind of the classes that a ``keras.Model`` with both outputs returns."""
    import tensorflow as tf

    found = output_names.named(output_names.of(network))
    return of_classes.kind_of_network(tf.keras.Model(network.input, found[CLASSES]))


def is_only_class(kind: Kind, width: int) -> bool:
    """Return whether outputs are a softmax over a single class, which is always 1.

    A classifier cannot use it; of a localiser of one class only the box matters.
    """
    return kind == "softmax" and width == 1


def class_probabilities(
    given: np.ndarray,
    kind: Kind,
    of_several: Callable[[np.ndarray, Kind], np.ndarray] = of_classes.probabilities,
) -> np.ndarray:
    """Return the probabilities of the classes, ``(n, classes)``; of a single class all 1.

    Args:
        given: the network's output.
        kind: of that output.
        of_several: computes them where there are several classes.
    """
    if is_only_class(kind, given.shape[-1]):
        return np.ones(given.shape, np.float64)
    return of_several(given, kind)


def checked(outputs: Arrays) -> Mapping[str, np.ndarray]:
    """Return the outputs, ``boxes`` and ``classes``.

    Raises:
        JobFailed: the outputs are others.
    """
    if not isinstance(outputs, Mapping) or set(outputs) != set(ROLES):
        raise JobFailed(EXPECTED)
    return outputs


def decode(outputs: Arrays, network: Any, names: Sequence[str], top: int) -> list[list[Prediction]]:
    """Return the ``top`` most probable classes of each image, each with the box; `Task.decode`.

    The box is clipped to the image.
    """
    found = checked(outputs)
    rows = class_probabilities(found[CLASSES], kind_of_classes(network))
    if names and len(names) != rows.shape[1]:
        raise JobFailed(f"{len(names)} names, but it has {rows.shape[1]} classes")
    return [
        [
            Located(int(i), names[i] if names else f"class {i}", float(row[i]), tuple(box.tolist()))
            for i in np.argsort(-row, kind="stable")[:top]
        ]
        for row, box in zip(rows, boxes.corners(found[BOXES]), strict=True)
    ]
