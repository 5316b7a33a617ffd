"""``+ssdlite``: anchors on several feature maps, predicted by separable convolutions."""

from __future__ import annotations

from typing import Any

from cnnbench.errors import UserError
from cnnbench.models.heads import PREFIX, check_at_least
from cnnbench.models.heads.anchors import default_box_sizes, even_level
from cnnbench.models.heads.coding import AnchorCoding
from cnnbench.models.heads.feature_maps import from_finest, size_of


class SsdLite:
    """SSDLite (arXiv:1801.04381, sec. 6.2; anchors after arXiv:1512.02325, sec. 2.2).

    The maps are the coarsest ones of the backbone with at least ``finest`` rows and columns, all
    coarser ones, and extra layers of ``width`` channels, each with a stride of 2, up to ``levels``
    maps in all. Each map has its own prediction layers: a depthwise 3x3 convolution, then a 1x1
    convolution.

    The scales of the anchors increase evenly from ``smallest`` on the finest maps to ``largest`` on
    the coarsest, as fractions of the image's sides. Each position has a square of its scale, one of
    the geometric mean with the next scale, and a wide and a high box for each aspect ratio from 2
    to ``ratios``.

    Outputs: ``boxes`` and ``classes``; class 0 is the background; see `AnchorCoding`.
    """

    task = "detection"
    summary = "anchors on several feature maps, separable convolutions (SSDLite)"
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
                f"the scales of its anchors, {smallest} to {largest}, are not in 0..1, ascending",
                hint="for example smallest=0.15,largest=0.9",
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
