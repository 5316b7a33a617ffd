"""Mask R-CNN on ResNet-50 with a feature pyramid (He et al. 2017, arXiv:1703.06870).

The network of torchvision's ``maskrcnn_resnet50_fpn``: a region proposal network (arXiv:1506.01497)
on the pyramid (arXiv:1612.03144), a box head on each proposal, a mask head on each detection. It
can be counted, timed, converted and evaluated with weights; only heads (`+mask`) are trained here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.anchor_outputs import anchor_lists
from cnnbench.models.families.layers import layers, tf
from cnnbench.models.families.pyramid import feature_pyramid, resnet50
from cnnbench.models.families.regions import OfEachImage, Proposals, RoiAlign
from cnnbench.models.families.second_stage import BoxDetections, MaskOfClass
from cnnbench.models.heads.coding import AnchorCoding, Level, to_json
from cnnbench.models.heads.mask import mask_branch

preprocess_input = preprocessing.standardised

_STAGES = ("conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "conv5_block3_out")
_SIDES = (32, 64, 128, 256, 512)  # px of the anchors on P2 to P6
_RATIOS = (0.5, 1.0, 2.0)  # height to width
_WIDTH = 256
_BOX_UNITS = 1024
_SECOND_LEVEL = 112.0  # px; a box of 224 px takes P4, as in arXiv:1612.03144, eq. 1
_CANDIDATES = 2  # boxes compared for each proposal
_MOST_PER_PROPOSAL = 4  # pairs of box and class compared for each detection


def MaskRCNN(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (800, 800, 3),
    classes: int = 90,
    proposals: int = 1000,
    detections: int = 100,
    frozen_norm: bool = False,
) -> Any:
    """1,000 proposals and 100 masks: 44,454,513 trainable parameters with 90 classes.

    torchvision publishes 44,401,393: 53,120 fewer, the scales and offsets of ResNet-50's batch
    normalisation, which are frozen there, and here with ``frozen_norm``. It publishes 134.38 G
    multiply-adds at 800x800x3, those of an image without detections: the mask head is not in them.
    Work on regions is counted at the declared numbers of proposals and detections.

    A logit, a box and a mask of the background are added to those of the classes; torchvision's 91
    classes include it. Proposals are chosen over all levels together, near duplicates last (Fast
    NMS, see `regions.best_first`), not by a loop over each level; detections likewise.

    Outputs: ``boxes`` ``(n, detections, 4)``, ``y0 x0 y1 x1`` as fractions of the image, best
    first; ``scores`` ``(n, detections, classes)``, 0 but for the class of each; and ``masks``,
    logits ``(n, detections, 28, 28, 1)``.

    Args:
        proposals: boxes of the first stage that the box head looks at.
        detections: boxes that get a mask.
        frozen_norm: keep the backbone's batch normalisation in inference mode.
    """
    if not 1 <= detections <= proposals:
        raise ValueError("proposals must be at least detections, and those at least 1")
    backbone = resnet50(input_shape, frozen_norm)
    inputs = backbone.inputs[0]
    if not include_top:
        return tf.keras.Model(inputs, backbone.outputs[0], name="mask_rcnn")
    stages = [backbone.get_layer(name).output for name in _STAGES]
    maps = feature_pyramid(stages, _WIDTH, extra=0, finest=2)
    boxes = _proposals(
        [*maps, layers.MaxPooling2D(1, 2, name="p6")(maps[-1])], input_shape, proposals
    )
    aligned: dict[str, Any] = {
        "aligned": False,  # as torchvision's detectors
        "image": input_shape[:2],
        "side": _SECOND_LEVEL,
    }
    x = RoiAlign(7, name="box_roi_align", **aligned)([boxes, *maps])
    x = layers.Flatten(name="box_flatten")(x)
    for number in (1, 2):
        x = layers.Dense(_BOX_UNITS, activation="relu", name=f"box_dense{number}")(x)
    logits = layers.Dense(1 + classes, name="box_classes")(x)
    offsets = layers.Dense(4 * (1 + classes), name="box_offsets")(x)
    of_each = OfEachImage(boxes.shape[1], name="box_logits")(logits)
    moved = OfEachImage(boxes.shape[1], name="box_moves")(offsets)
    found = BoxDetections(detections, _MOST_PER_PROPOSAL * detections, name="detections")(
        [boxes, of_each, moved]
    )
    x = RoiAlign(14, name="mask_roi_align", **aligned)([found["boxes"], *maps])
    masks = mask_branch(x, detections, 1 + classes, _WIDTH, 4, "mask_")
    outputs = {
        "boxes": found["boxes"],
        "scores": found["scores"],
        "masks": MaskOfClass(name="masks")([masks, found["scores"]]),
    }
    return tf.keras.Model(inputs, outputs, name="mask_rcnn")


def _proposals(maps: Sequence[Any], image: Sequence[int], count: int) -> Any:
    """Return the boxes that the region proposal network finds, ``(n, count, 4)``.

    Where the maps have fewer anchors, it is all of them.
    """
    coding = _coding(maps, image)
    shared = layers.Conv2D(_WIDTH, 3, padding="same", activation="relu", name="rpn_conv")
    heads = {
        "boxes": layers.Conv2D(4 * len(_RATIOS), 1, name="rpn_offsets"),
        "classes": layers.Conv2D(len(_RATIOS), 1, name="rpn_objectness"),
    }
    hidden = [shared(one) for one in maps]
    outputs = {name: [head(one) for one in hidden] for name, head in heads.items()}
    many = sum(level.rows * level.columns * len(level.sizes) for level in coding.levels)
    count = min(count, many)
    layer = Proposals(to_json(coding), count, min(_CANDIDATES * count, many), name="proposals")
    return layer(anchor_lists(**outputs, coding=coding, prefix="rpn_"))["boxes"]


def _coding(maps: Sequence[Any], image: Sequence[int]) -> AnchorCoding:
    """Return the anchors: as in torchvision, the first is at the corner and steps are whole px."""
    levels = []
    for side, one in zip(_SIDES, maps, strict=True):
        rows, columns = one.shape[1:3]
        step = (image[0] // rows / image[0], image[1] // columns / image[1])
        sizes = tuple(
            (
                2 * round(side * math.sqrt(ratio) / 2) / image[0],
                2 * round(side / math.sqrt(ratio) / 2) / image[1],
            )
            for ratio in _RATIOS
        )
        levels.append(Level(rows, columns, step, (0.0, 0.0), sizes))
    return AnchorCoding(tuple(levels), "sigmoid")
