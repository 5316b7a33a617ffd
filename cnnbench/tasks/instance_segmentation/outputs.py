"""Outputs of a network for instance segmentation: their roles, their encoding, predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.errors import JobFailed, UserError
from cnnbench.models import output_names
from cnnbench.models.heads.mask import CELLS, MASKS, PROPOSALS
from cnnbench.tasks.detection.codings import stated
from cnnbench.tasks.detection.outputs import (
    BOXES,
    CLASSES,
    LABELS,
    LEAST_SCORE,
    SCORES,
    Detected,
)
from cnnbench.tasks.objective import Arrays
from cnnbench.tasks.task import Shape

if TYPE_CHECKING:
    from cnnbench.data.drawing import AnyMark
    from cnnbench.data.fitting import Placement

EXPECTED = (
    "a network for instance segmentation returns 'masks' (objects, rows, columns, 1 or classes), "
    "the outputs of a detector ('cells', 'boxes' and 'classes', or decoded 'boxes' and 'scores'), "
    "and 'proposals', the box that each mask belongs to, unless there are as many of both"
)
_RANKS = {CELLS: 4, BOXES: 3, CLASSES: 3, SCORES: 3, PROPOSALS: 2, MASKS: 5}
_DETECTORS = ((CELLS,), (BOXES, CLASSES), (BOXES, SCORES))


@dataclass(frozen=True)
class Facts:
    """Facts about a network that its targets and losses need.

    Attributes:
        detector: encoding of the detector's outputs, as `detection` has it.
        image: height and width of its input, px.
        count: number of masks.
        side: rows and columns of a mask.
        masks: masks for each object: 1, or one of each class.
    """

    detector: str
    image: tuple[int, int]
    count: int
    side: int
    masks: int

    @classmethod
    def read(cls, encoding: str) -> Facts:
        """Return the facts in an encoding."""
        found = json.loads(encoding)
        height, width = found["image"]
        detector = stated.canonical(found["detector"])
        return cls(detector, (height, width), *found["masks"])


def of_network(network: Any) -> str:
    """Return the encoding of a ``keras.Model``'s outputs, as canonical JSON.

    Raises:
        JobFailed: it has no masks.
    """
    shapes = {
        path: tuple(one.shape) for path, one in output_names.named(output_names.of(network)).items()
    }
    if MASKS not in shapes:
        raise JobFailed(EXPECTED)
    found = {
        "detector": json.loads(stated.of_network(network)),
        "image": [int(size) for size in network.inputs[0].shape[1:3]],
        "masks": [int(shapes[MASKS][axis]) for axis in (1, 2, 4)],
    }
    return stated.canonical(found)


def of_detector(outputs: Mapping[str, Any]) -> Any:
    """Return those of the outputs that are the detector's, as its coding takes them."""
    if CELLS in outputs:
        return outputs[CELLS]
    return {name: outputs[name] for name in (BOXES, CLASSES, SCORES) if name in outputs}


def paths(outputs: Mapping[str, Shape], wanted: str | None, label: str) -> dict[str, str]:
    """Return role -> path; the roles are the last parts of the paths.

    ``wanted`` selects the outputs whose paths begin with it.

    Raises:
        UserError: there are no such outputs, or their shapes are not those of the task.
    """
    known = output_names.below(outputs, wanted, label)
    by_name = {path.rpartition(".")[2]: path for path in known}
    found = {
        role: by_name[role]
        for role, rank in _RANKS.items()
        if role in by_name and len(known[by_name[role]]) == rank
    }
    detector = next((one for one in _DETECTORS if all(role in found for role in one)), None)
    if MASKS in found and detector is not None and _has_boxes(found, known, detector):
        return {role: path for role, path in found.items() if role in (*detector, PROPOSALS, MASKS)}
    raise UserError(f"{label}: {EXPECTED}", hint=output_names.shapes_text(outputs))


def _has_boxes(
    found: Mapping[str, str], known: Mapping[str, Shape], detector: Sequence[str]
) -> bool:
    """Return whether it is known which box each mask belongs to."""
    masks = known[found[MASKS]][1]
    if PROPOSALS in found:
        return known[found[PROPOSALS]][1] == masks
    return BOXES in detector and known[found[BOXES]][1] == masks


@dataclass(frozen=True)
class Segmented(Detected):
    """One object with its pixels.

    Attributes:
        region: the box of the mask, which may reach beyond the image: ``y0 x0 y1 x1``.
        mask: probabilities of its pixels, uint8 ``(rows, columns)``: 255 is 1.
    """

    region: tuple[float, ...] = ()
    mask: npt.NDArray[np.uint8] | None = None

    def pixels(self) -> npt.NDArray[np.bool_] | None:
        """Return its pixels in the picture, ``(h, w)``; None if the picture is unknown."""
        from cnnbench.tasks.instance_segmentation.masks import pasted

        if self.picture is None or self.mask is None:
            return None
        found: npt.NDArray[np.bool_] = pasted([self.region], self.mask[None], self.picture)[0]
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the fields of a detection, and its pixels run-length encoded, as COCO does."""
        from cnnbench.tasks.instance_segmentation.masks import encoded

        found, pixels = super().to_json(), self.pixels()
        if pixels is None:
            return found
        (outline,) = encoded(pixels[None])
        counts = outline["counts"]
        text = counts.decode("ascii") if isinstance(counts, bytes) else counts
        return {**found, "mask_px": int(pixels.sum()), "mask": {**outline, "counts": text}}

    def placed(self, placement: Placement) -> Segmented:
        """Return the object with its box and mask in the original picture."""
        found = super().placed(placement)
        assert isinstance(found, Segmented)
        return replace(found, region=tuple(placement.back([self.region])[0].tolist()))

    def mark(self, number: int) -> AnyMark:
        from cnnbench.data.drawing import MaskMark

        return MaskMark(self.pixels(), f"{self.name} {self.score:.2f}", number, self.box)


def decode(
    outputs: Arrays,
    network: Any,
    names: Sequence[str],
    top: int | None,
    least_score: float = LEAST_SCORE,
) -> list[list[Segmented]]:
    """Return the ``top`` objects of each image with the highest scores; `Task.decode`.

    Their scores are above ``least_score``; an image may have none.
    """
    from cnnbench.tasks.instance_segmentation import InstanceOptions
    from cnnbench.tasks.instance_segmentation.objective import InstanceObjective

    if not isinstance(outputs, Mapping):
        raise JobFailed(EXPECTED)
    encoding = of_network(network)
    shapes = {name: one.shape for name, one in outputs.items()}
    objective = InstanceObjective(names, "", InstanceOptions(score_threshold=least_score))
    count = objective.coder(encoding).classes(shapes)
    if names and len(names) != count:
        raise JobFailed(f"{len(names)} names, but it has {count} classes")
    found = objective.answers(outputs, encoding)
    inside = np.clip(found[BOXES], 0.0, 1.0)
    return [
        [
            Segmented(
                int(label),
                names[label] if names else f"class {label}",
                float(found[SCORES][image, row]),
                tuple(inside[image, row].tolist()),
                region=tuple(found[BOXES][image, row].tolist()),
                mask=found[MASKS][image, row],
            )
            for row, label in enumerate(labels[:top])
            if label != NO_OBJECT
        ]
        for image, labels in enumerate(found[LABELS])
    ]
