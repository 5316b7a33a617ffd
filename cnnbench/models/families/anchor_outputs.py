"""Outputs of a detector with anchors: the predictions of all feature maps as one list of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnbench.models.families.layers import layers
from cnnbench.models.families.own_layers import StateCoding
from cnnbench.models.heads.coding import LAYER, AnchorCoding, to_json


def anchor_outputs(
    boxes: Sequence[Any], classes: Sequence[Any], coding: AnchorCoding, prefix: str = ""
) -> dict[str, Any]:
    """Return the two outputs that `AnchorCoding` describes.

    Args:
        boxes: offsets of each feature map, ``(n, rows, columns, anchors * 4)``.
        classes: logits of each feature map, ``(n, rows, columns, anchors * classes)``.
        coding: the coding, with one level per feature map.
        prefix: prefix of the layers' names.
    """
    found = anchor_lists(boxes, classes, coding, prefix)
    found["boxes"] = StateCoding(to_json(coding), name=LAYER)(found["boxes"])
    return found


def anchor_lists(
    boxes: Sequence[Any], classes: Sequence[Any], coding: AnchorCoding, prefix: str = ""
) -> dict[str, Any]:
    """Return the outputs of `anchor_outputs` without a layer that states the coding.

    A network with a second stage uses them inside.
    """
    found = {}
    for name, maps in (("boxes", boxes), ("classes", classes)):
        rows = []
        for number, (level, one) in enumerate(zip(coding.levels, maps, strict=True), start=1):
            count = level.rows * level.columns * len(level.sizes)
            values = one.shape[-1] // len(level.sizes)
            rows.append(layers.Reshape((count, values), name=f"{prefix}{name}{number}_list")(one))
        found[name] = layers.Concatenate(axis=1, name=f"{prefix}{name}")(rows)
    return found
