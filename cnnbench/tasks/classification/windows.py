"""Predictions of a classifier that slides over an image: windows with their classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbench.errors import JobFailed, UserError
from cnnbench.models.fcn import sliding
from cnnbench.tasks.classification import outputs as classes
from cnnbench.tasks.task import Prediction

if TYPE_CHECKING:
    from cnnbench.data.drawing import Mark
    from cnnbench.data.fitting import Placement


@dataclass(frozen=True)
class WindowGuess(Prediction):
    """The most probable class of one window.

    Attributes:
        number, name, probability: as of a `outputs.Guess`.
        box: top, left, bottom, right of the window, as fractions of the image.
        picture: height and width in px of the picture that they are fractions of; at first those
            of the network's input.
    """

    number: int
    name: str
    probability: float
    box: tuple[float, float, float, float]
    picture: tuple[int, int]

    def __str__(self) -> str:
        return f"{100 * self.probability:5.1f} %  {self.name}  ({self._edges()})"

    def cells(self) -> dict[str, str]:
        share = f"{100 * self.probability:5.1f} %"
        return {"Class": self.name, "Probability": share, "Window": self._edges()}

    def to_json(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in ("number", "name", "probability")}
        pixels = [round(place, 1) for place in self._pixels()]
        return {**found, "box": list(self.box), "box_px": pixels}

    def placed(self, placement: Placement) -> WindowGuess:
        """Return the window in the picture, of which it keeps what is inside."""
        (box,) = np.clip(placement.back([self.box]), 0.0, 1.0).tolist()
        return replace(self, box=tuple(box), picture=placement.picture)

    def mark(self, number: int) -> Mark:
        """Return the window to be drawn."""
        from cnnbench.data.drawing import Mark

        return Mark(f"{self.name} {100 * self.probability:.1f} %", number, box=self.box)

    def _pixels(self) -> list[float]:
        return [place * size for place, size in zip(self.box, self.picture * 2, strict=True)]

    def _edges(self) -> str:
        sides = zip(("top", "left", "bottom", "right"), self._pixels(), strict=True)
        return ", ".join(f"{side} {place:.0f}" for side, place in sides) + " px"


def decode(
    outputs: np.ndarray, network: Any, names: Sequence[str], top: int
) -> list[list[Prediction]]:
    """Return the ``top`` windows of each image whose class is most probable, best first.

    Args:
        outputs: ``(n, down, right, classes)``.
        network: the ``keras.Model`` that returned them.
        names: of the classes, by number; without them classes are numbered.
        top: the number of windows.

    Raises:
        JobFailed: the places of the outputs are no windows of the image.
    """
    try:
        grid = sliding.grid_of(network)
    except UserError as error:
        raise JobFailed(str(error)) from None
    flat = outputs.reshape(-1, outputs.shape[-1])
    rows = classes.probabilities(flat, classes.kind(network, flat))
    classes.check_names(names, rows)
    height, width = (int(side) for side in network.input_shape[1:3])

    def guess(at: int, row: np.ndarray) -> WindowGuess:
        number, (y, x) = int(row.argmax()), grid.offset(divmod(at, grid.places[1]))
        name = names[number] if names else f"class {number}"
        bottom, right = y + grid.window[0], x + grid.window[1]
        box = (y / height, x / width, bottom / height, right / width)
        return WindowGuess(number, name, float(row[number]), box, (height, width))

    found: list[list[Prediction]] = []
    for image in rows.reshape(len(outputs), grid.count, -1):
        best = np.argsort(-image.max(axis=1), kind="stable")[:top]
        found.append([guess(int(at), image[at]) for at in best])
    return found
