"""Images that an accuracy in a table was measured on, read from its column."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cnnbench.data import datasets
from cnnbench.metrics import QUALITY, split
from cnnbench.probes.accuracy.training_config import OWN, PRETRAINED

_SIDE = re.compile(r"(\d+)px")


@dataclass(frozen=True)
class JudgedImages:
    """Images of an accuracy.

    Attributes:
        side: in pixels; 0 where every network has its own size, or it is not known.
        classes: of the data set; 0 where they are not known.
    """

    side: int
    classes: int


def judged_images(name: str) -> JudgedImages | None:
    """Return the images of the accuracy in column ``name``; None for any other column."""
    metric, label = split(name)
    if not (metric in QUALITY or metric == "agreement") or "/" not in label:
        return None
    dataset, recipe, *rest = label.split("/")
    known = datasets.facts_of(dataset)
    if recipe == PRETRAINED or rest[:1] == [OWN]:
        return JudgedImages(0, known.classes)
    found = _SIDE.fullmatch(rest[0]) if rest else None
    return JudgedImages(int(found[1]) if found else known.px, known.classes)
