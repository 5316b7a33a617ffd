"""``+ssdlite``: separable predictions at the places of several feature maps, with anchors."""

from __future__ import annotations

from typing import Any

from cnnbench.errors import UserError
from cnnbench.models.heads import PREFIX, check_at_least
from cnnbench.models.heads.anchors import default_box_sizes, even_level
from cnnbench.models.heads.coding import AnchorCoding
from cnnbench.models.heads.feature_maps import from_finest, size_of


class SsdLite:
    """SSDLite (arXiv:1801.04381, sec. 6.2; anchors after arXiv:1512.02325, sec. 2.2).

    The maps are the backbone's coarsest of at least ``finest`` rows and columns and all coarser
    ones, then extra layers of ``width`` channels, each of which halves them, up to ``levels`` maps
    in all. Each map has its own predictions: a depthwise convolution of 3x3, then one of 1x1.

    The scales of the anchors rise evenly from ``smallest`` on the finest maps to ``largest``, in
    fractions of the image's sides. A place has a square of its scale, one of the geometric mean
    with the next scale, and a wide and a high box of each ratio up to ``ratios``: 2, or 2 and 3.

    Outputs: ``boxes`` and ``classes``, the first of which is the background; see `AnchorCoding`.
    """

    task = "detection"
    summary = "separable predictions on several feature maps, with anchors (SSDLite)"
    takes_top = False

    def attach(
        self,
        backbone: Any,
        classes: int,
        *,
        finest: int = 12,
        levels: int = 5,
        width: int = 256,
        smallest: float = 0.2,
        largest: float = 0.95,
        ratios: int = 3,
    ) -> dict[str, Any]:
        from cnnbench.models.families.anchor_outputs import anchor_outputs
        from cnnbench.models.families.ssdlite import halved, separable_prediction

        check_at_least(1, finest=finest, levels=levels, width=width, ratios=ratios)
        if not 0 < smallest <= largest <= 1:
            raise UserError(
                f"the scales of its anchors, {smallest} to {largest}, are not in 0..1 and rising",
                hint="write for example smallest=0.15,largest=0.9",
            )
        maps = from_finest(backbone, (finest, finest), "a smaller finest")[:levels]
        for number in range(len(maps) + 1, levels + 1):
            if max(size_of(maps[-1])) == 1:
                break
            maps.append(halved(maps[-1], width, f"{PREFIX}extra{number}", **_RELU6))
        rise = (largest - smallest) / max(len(maps) - 1, 1)
        scales = [smallest + rise * number for number in range(len(maps) + 1)]
        coding = AnchorCoding(
            tuple(
                even_level(
                    size_of(one),
                    default_box_sizes(scales[at], scales[at + 1], range(2, ratios + 1)),
                )
                for at, one in enumerate(maps)
            ),
            "softmax",
            (0.1, 0.2),
        )
        predicted: dict[str, list[Any]] = {"boxes": [], "classes": []}
        for number, (level, one) in enumerate(zip(coding.levels, maps, strict=True), start=1):
            for name, values in (("boxes", 4), ("classes", 1 + classes)):
                layer = f"{PREFIX}{name}{number}"
                count = len(level.sizes) * values
                predicted[name].append(separable_prediction(one, count, layer, **_RELU6))
        return anchor_outputs(**predicted, coding=coding, prefix=PREFIX)


_RELU6: dict[str, Any] = {"activation": "relu6"}

SSDLITE = SsdLite()
