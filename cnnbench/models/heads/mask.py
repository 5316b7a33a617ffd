"""``+mask``: a detection head, and a mask for each of its best boxes (Mask R-CNN's branch)."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from cnnbench.errors import UserError, nearest_or_all
from cnnbench.models.heads import HEADS, PREFIX, check_at_least
from cnnbench.models.heads.feature_maps import from_finest, image_size

CELLS, PROPOSALS, MASKS = "cells", "proposals", "masks"
"""Outputs beside those of a detector with anchors: its grid; the chosen boxes; their masks."""

_TASK = "detection"
_CANDIDATES = 8  # boxes compared for each that is chosen
_DUPLICATE = 0.7  # IoU, as for the proposals of arXiv:1506.01497
_UNEVEN = 1.25  # accepted ratio of the maps' stride to the requested one


class Mask:
    """Instance segmentation (arXiv:1703.06870, sec. 3; Géron, 3rd ed., ch. 14).

    A detection head, ``detector``, is attached to the backbone; its own parameters are written in
    the same brackets: ``+mask[detector=yolo,grid=14]``. The second stage looks at a fixed number of
    its boxes, ``proposals``: those with the highest scores, near duplicates last. Its maps are a
    feature pyramid's finest level, of ``mask_width`` channels, on the backbone's coarsest maps with
    a stride of at most ``mask_stride`` px and up to two coarser ones. RoIAlign samples ``roi`` x
    ``roi`` cells of them in each box; ``mask_depth`` 3x3 convolutions, a transposed convolution
    that doubles the size, and a 1x1 convolution give the logits of the mask's pixels: one mask for
    all classes, or one each with ``per_class``, as in the paper (class-agnostic masks are nearly
    as good: its table 2b).

    Outputs: those of the detection head, ``cells`` or ``boxes`` and ``classes``; ``proposals``,
    int32 ``(n, proposals)``: the place of each chosen box among all; and ``masks``, ``(n,
    proposals, 2 roi, 2 roi, 1 or classes)``.
    """

    task = "instance_segmentation"
    summary = "a detection head, and a mask for each of its best boxes (Mask R-CNN)"
    takes_top = False

    @property
    def attach(self) -> Callable[..., Any]:
        """`_attached`, which states the parameters of all detection heads as its own."""

        def attach(backbone: Any, classes: int, **parameters: Any) -> dict[str, Any]:
            return _attached(backbone, classes, **parameters)

        own = inspect.signature(_attached)
        known = [one for one in own.parameters.values() if one.kind is not one.VAR_KEYWORD]
        names = {one.name for one in known}
        found = {name: None for head in _detectors().values() for name in _parameters(head)}
        known += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
            for name in found
            if name not in names
        ]
        attach.__signature__ = own.replace(parameters=known)  # type: ignore[attr-defined]
        return attach


def _attached(
    backbone: Any,
    classes: int,
    *,
    detector: str = "yolo",
    proposals: int = 24,
    roi: int = 14,
    mask_stride: int = 4,
    mask_width: int = 32,
    mask_depth: int = 2,
    per_class: bool = False,
    **given: Any,
) -> dict[str, Any]:
    from cnnbench.models.families.pyramid import feature_pyramid
    from cnnbench.models.families.regions import Proposals, RoiAlign
    from cnnbench.models.heads import decoding
    from cnnbench.models.heads.coding import of_json

    check_at_least(1, proposals=proposals, roi=roi, mask_stride=mask_stride, mask_width=mask_width)
    check_at_least(0, mask_depth=mask_depth)
    found = _detected(backbone, classes, detector, given)
    stated = _stated(found)
    coding = of_json(stated)
    boxes = decoding.count(coding)
    count = min(proposals, boxes)
    chosen = Proposals(
        stated, count, min(_CANDIDATES * count, boxes), _DUPLICATE, name=f"{PREFIX}proposals"
    )(found.get(CELLS, found))
    places = [max(math.ceil(size / (mask_stride * _UNEVEN)), 1) for size in image_size(backbone)]
    maps = from_finest(backbone, places, "a larger mask_stride")[:3]
    finest = feature_pyramid(maps, mask_width, f"{PREFIX}mask_", extra=0)[0]
    regions = RoiAlign(roi, name=f"{PREFIX}roi_align")([chosen["boxes"], finest])
    masks = mask_branch(
        regions, count, classes if per_class else 1, mask_width, mask_depth, f"{PREFIX}mask_"
    )
    return {**found, PROPOSALS: chosen["rows"], MASKS: masks}


def mask_branch(regions: Any, count: int, classes: int, width: int, depth: int, prefix: str) -> Any:
    """Return the logits of the masks of regions, ``(n, count, 2 size, 2 size, classes)``.

    Args:
        regions: what `RoiAlign` returns, ``(n × count, size, size, channels)``.
        count: regions of an image.
        classes: masks of each region.
        width: channels of the hidden layers.
        depth: number of 3x3 convolutions.
        prefix: prefix of the layers' names.
    """
    import tensorflow as tf

    from cnnbench.models.families.regions import OfEachImage

    layers, hidden = tf.keras.layers, {"activation": "relu", "kernel_initializer": "he_normal"}
    x = regions
    for number in range(1, depth + 1):
        x = layers.Conv2D(width, 3, padding="same", name=f"{prefix}conv{number}", **hidden)(x)
    x = layers.Conv2DTranspose(width, 2, strides=2, name=f"{prefix}up", **hidden)(x)
    x = layers.Conv2D(classes, 1, name=f"{prefix}logits")(x)
    return OfEachImage(count, name=f"{prefix}masks")(x)


def _detectors() -> dict[str, Any]:
    """Return the detection heads by name."""
    others = {name: HEADS[name] for name in HEADS if name != "mask"}
    return {name: head for name, head in others.items() if head.task == _TASK}


def _parameters(head: Any) -> list[str]:
    found = inspect.signature(head.attach).parameters.values()
    return [one.name for one in found if one.kind is one.KEYWORD_ONLY]


def _detected(backbone: Any, classes: int, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs of the detection head by name."""
    known = _detectors()
    if name not in known:
        raise UserError(f"no detection head '{name}'", hint=nearest_or_all(name, list(known)))
    own = {name: value for name, value in given.items() if value is not None}
    others = own.keys() - set(_parameters(known[name]))
    if others:
        raise UserError(
            f"the detection head '{name}' has no parameter '{min(others)}'",
            hint="it has: " + ", ".join(_parameters(known[name])),
        )
    found = known[name].attach(backbone, classes, **own)
    return dict(found) if isinstance(found, Mapping) else {CELLS: found}


def _stated(outputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the coding that the detection head states in a layer."""
    from cnnbench.models.families.own_layers import StateCoding

    for one in outputs.values():
        layer = one._keras_history[0]
        if isinstance(layer, StateCoding):
            return dict(layer.get_config()["coding"])
    raise UserError("its detection head does not state how its outputs become boxes")


MASK = Mask()
