"""``+retina``: a feature pyramid, predictions by the same convolutions on all its levels."""

from __future__ import annotations

import math
from typing import Any

from cnnbench.errors import UserError
from cnnbench.models.heads import PREFIX, check_at_least
from cnnbench.models.heads.anchors import even_level, octave_sizes
from cnnbench.models.heads.coding import AnchorCoding
from cnnbench.models.heads.feature_maps import from_finest, image_size, size_of

_PRIOR = 0.01
"""Probability of every class at first, so that the many empty anchors do not drown the loss."""
_UNEVEN = 1.25
"""Strides up to so many times the one asked for are taken: 299 px to 35 places are 8.5 px."""


class Retina:
    """RetinaNet (arXiv:1708.02002, sec. 4; the pyramid, FPN, after arXiv:1612.03144).

    The pyramid stands on the backbone's coarsest maps with ``stride`` px or less between places
    and on all coarser ones; above it are more levels, halved by 3x3 convolutions, up to ``levels``
    in all, while their anchors are smaller than the image. Two stacks of ``depth`` 3x3 convolutions
    of ``channels`` channels, the same for all levels, give classes and boxes. The paper has 256
    channels and a depth of 4.

    A place has nine anchors: squares of ``scale`` strides and of one and two thirds of an octave
    more, each also twice as high as wide and the reverse. The paper's ``scale`` is 4.

    Outputs: ``boxes`` and ``classes``, logits of one sigmoid a class; see `AnchorCoding`.
    """

    task = "detection"
    summary = "a feature pyramid with shared predictions and focal loss (RetinaNet)"
    takes_top = False

    def attach(
        self,
        backbone: Any,
        classes: int,
        *,
        stride: int = 8,
        levels: int = 5,
        channels: int = 64,
        depth: int = 2,
        scale: float = 2.5,
    ) -> dict[str, Any]:
        from cnnbench.models.families.anchor_outputs import anchor_outputs
        from cnnbench.models.families.pyramid import feature_pyramid, shared_predictions

        check_at_least(1, stride=stride, levels=levels, channels=channels)
        check_at_least(0, depth=depth)
        if not 0.5 <= scale <= 100:
            raise UserError(f"scale={scale} is not the side of its anchors in strides, 0.5 to 100")
        image = image_size(backbone)
        places = [max(math.ceil(size / (stride * _UNEVEN)), 1) for size in image]
        maps = from_finest(backbone, places, "a larger stride")[:levels]
        side = scale * min(size / many for size, many in zip(image, size_of(maps[0]), strict=True))
        wanted = min(levels, 1 + max(math.ceil(math.log2(max(image) / side)) - 1, 0))
        maps = maps[: max(wanted, 1)]
        halvings = math.ceil(math.log2(max(size_of(maps[-1]))))
        extra = max(min(wanted - len(maps), halvings), 0)
        made = feature_pyramid(maps, channels, PREFIX, extra)
        coding = AnchorCoding(
            tuple(
                even_level(size_of(one), octave_sizes(max(round(side * 2**at), 2), image))
                for at, one in enumerate(made)
            ),
            "sigmoid",
        )
        shared: dict[str, Any] = {
            "filters": channels,
            "depth": depth,
            "kernel_initializer": "he_normal",
        }
        count = len(coding.levels[0].sizes)
        prior = -math.log((1 - _PRIOR) / _PRIOR)
        boxes = shared_predictions(made, count * 4, f"{PREFIX}boxes", **shared)
        logits = shared_predictions(made, count * classes, f"{PREFIX}classes", bias=prior, **shared)
        return anchor_outputs(boxes, logits, coding, PREFIX)


RETINA = Retina()
