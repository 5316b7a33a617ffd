"""``+retina``: a feature pyramid with the same prediction layers on all levels."""

from __future__ import annotations

import math
from typing import Any

from cnnbench.errors import UserError
from cnnbench.models.heads import PREFIX, check_at_least
from cnnbench.models.heads.anchors import even_level, octave_sizes
from cnnbench.models.heads.coding import AnchorCoding
from cnnbench.models.heads.feature_maps import from_finest, image_size, size_of

_PRIOR = 0.01
"""Initial probability of every class; the many negative anchors must not dominate the loss."""
_UNEVEN = 1.25
"""Accepted ratio of the stride to the requested one: 35 positions on 299 px are 8.5 px apart."""


class Retina:
    """RetinaNet (arXiv:1708.02002, sec. 4; the pyramid, FPN, after arXiv:1612.03144).

    The pyramid is built on the backbone's coarsest maps with a stride of at most ``stride`` px, and
    on all coarser ones. 3x3 convolutions with a stride of 2 add further levels, up to ``levels`` in
    all, as long as their anchors are smaller than the image. Two stacks of ``depth`` 3x3
    convolutions with ``channels`` channels, shared by all levels, predict classes and boxes. The
    paper has 256 channels and a depth of 4.

    Each position has nine anchors: squares with sides of ``scale``, 2^(1/3) ``scale`` and 2^(2/3)
    ``scale`` strides, and boxes of the same areas, twice as high as wide and twice as wide as high.
    The paper's ``scale`` is 4.

    Outputs: ``boxes`` and ``classes``, logits of one sigmoid per class; see `AnchorCoding`.
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
            raise UserError(f"its head's parameter scale={scale}, in strides, must be 0.5 to 100")
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
