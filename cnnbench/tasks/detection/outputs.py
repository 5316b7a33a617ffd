"""Outputs of a detector: selected from those of a network, and decoded to detections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.errors import JobFailed, UserError
from cnnbench.models import output_names
from cnnbench.tasks.objective import Arrays
from cnnbench.tasks.prediction import box_in_picture, box_json, edges_text
from cnnbench.tasks.task import Prediction, Shape

if TYPE_CHECKING:
    from cnnbench.data.drawing import AnyMark
    from cnnbench.data.fitting import Placement

BOXES, CLASSES, SCORES, LABELS = "boxes", "classes", "scores", "labels"

LEAST_SCORE = 0.3
"""Shown detections have a higher score; average precision is computed from nearly all."""

_COORDINATES = 4
EXPECTED = (
    "a detector returns one output, a grid (rows, columns, values), or two: 'boxes', four values "
    "per box, and 'classes' (for boxes relative to anchors) or 'scores' (for decoded boxes)"
)


@dataclass(frozen=True)
class Detected(Prediction):
    """One detected object.

    Attributes:
        number: index of its class, from 0.
        name: name of its class.
        score: between 0 and 1, not necessarily a probability; detections are sorted by it.
        box: top, left, bottom, right, as fractions of the image.
        picture: height and width in px of the picture that they are fractions of; None if they are
            fractions of the network's input.
    """

    number: int
    name: str
    score: float
    box: tuple[float, float, float, float]
    picture: tuple[int, int] | None = None

    def __str__(self) -> str:
        return f"{self.score:5.2f}  {self.name}  ({edges_text(self.box, self.picture)})"

    def cells(self) -> dict[str, str]:
        box = edges_text(self.box, self.picture)
        return {"Class": self.name, "Score": f"{self.score:.2f}", "Box": box}

    def to_json(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in ("number", "name", "score")}
        return {**found, **box_json(self.box, self.picture)}

    def placed(self, placement: Placement) -> Detected:
        """Return the detection with its box in the original picture, clipped to it."""
        box = box_in_picture(self.box, placement)
        return replace(self, box=box, picture=placement.picture)

    def mark(self, number: int) -> AnyMark:
        from cnnbench.data.drawing import Mark

        return Mark(f"{self.name} {self.score:.2f}", number, box=self.box)


def decode(
    outputs: Arrays,
    network: Any,
    names: Sequence[str],
    top: int | None,
    least_score: float = LEAST_SCORE,
) -> list[list[Detected]]:
    """Return the ``top`` objects of each image with the highest scores; `Task.decode`.

    Their scores are above ``least_score``; an image may have none. Boxes are clipped to the image.
    """
    from cnnbench.tasks.detection import DetectionOptions
    from cnnbench.tasks.detection.codings import stated
    from cnnbench.tasks.detection.objective import DetectionObjective

    encoding = stated.of_network(network)
    shapes = {name: one.shape for name, one in _named(outputs).items()}
    count = stated.coder(encoding).classes(shapes)
    if names and len(names) != count:
        raise JobFailed(f"{len(names)} names, but it has {count} classes")
    objective = DetectionObjective(names, "", DetectionOptions(score_threshold=least_score))
    answers = objective.answers(outputs, encoding)
    return [
        [
            Detected(int(i), names[i] if names else f"class {i}", float(score), tuple(box))
            for i, score, box in list(zip(labels, scores, boxes.tolist(), strict=True))[:top]
            if i != NO_OBJECT
        ]
        for labels, scores, boxes in zip(
            answers[LABELS], answers[SCORES], np.clip(answers[BOXES], 0.0, 1.0), strict=True
        )
    ]


def _named(outputs: Arrays) -> Mapping[str, np.ndarray]:
    return outputs if isinstance(outputs, Mapping) else {"": outputs}


def paths(outputs: Mapping[str, Shape], wanted: str | None, label: str) -> str | dict[str, str]:
    """Return the path of the grid, or those of the boxes and of their classes or scores.

    Of several outputs, those are used whose paths end in ``boxes``, ``classes`` and ``scores``.
    ``wanted`` selects one output, or those whose paths begin with it.

    Raises:
        UserError: there are no such outputs, or their shapes are not those of a detector.
    """
    known = output_names.below(outputs, wanted, label)
    if len(known) == 1:
        ((path, shape),) = known.items()
        if len(shape) == 4:
            return path
    by_name = {path.rpartition(".")[2]: path for path in known}
    others = [role for role in (CLASSES, SCORES) if role in by_name]
    if BOXES in by_name and len(others) == 1:
        found = {role: by_name[role] for role in (BOXES, others[0])}
        shapes = [known[path] for path in found.values()]
        if all(len(shape) == 3 for shape in shapes) and shapes[0][2] == _COORDINATES:
            return found
    raise UserError(f"{label}: {EXPECTED}", hint=output_names.shapes_text(outputs))
