"""RetinaNet on ResNet-50 with a feature pyramid (Lin et al. 2017, arXiv:1708.02002).

The network of torchvision's ``retinanet_resnet50_fpn``.
"""

from __future__ import annotations

import math
from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.anchor_outputs import anchor_outputs
from cnnbench.models.families.layers import tf
from cnnbench.models.families.pyramid import feature_pyramid, resnet50, shared_predictions
from cnnbench.models.heads.anchors import octave_sizes
from cnnbench.models.heads.coding import AnchorCoding, Level

preprocess_input = preprocessing.standardised

_STAGES = ("conv3_block4_out", "conv4_block6_out", "conv5_block3_out")  # C3, C4, C5
_PRIOR = 0.01  # initial probability of every class (sec. 4.1)


def RetinaNet(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (800, 800, 3),
    classes: int = 91,
    smallest_anchor: int = 32,
    frozen_norm: bool = False,
) -> Any:
    """120,087 anchors, nine per position, and 151.54 G MACs at 800x800x3 with 91 classes.

    34,068,119 parameters are trainable. torchvision publishes 34,014,999: 53,120 fewer, the scales
    and offsets of ResNet-50's batch normalisation, which are frozen there, and here with
    ``frozen_norm``. The 91 classes include torchvision's unused background class.

    Args:
        smallest_anchor: side of the smallest square on P3, px; every further level doubles it.
        frozen_norm: keep the backbone's batch normalisation in inference mode.
    """
    if smallest_anchor < 2:
        raise ValueError("smallest_anchor must be at least 2 px")
    backbone = resnet50(input_shape, frozen_norm)
    inputs = backbone.inputs[0]
    if not include_top:
        return tf.keras.Model(inputs, backbone.outputs[0], name="retinanet")
    maps = feature_pyramid([backbone.get_layer(name).output for name in _STAGES])
    coding = _coding(maps, input_shape, smallest_anchor)
    count = len(coding.levels[0].sizes)
    bias = -math.log((1 - _PRIOR) / _PRIOR)
    boxes = shared_predictions(maps, count * 4, "boxes")
    logits = shared_predictions(maps, count * classes, "classes", bias=bias)
    return tf.keras.Model(inputs, anchor_outputs(boxes, logits, coding), name="retinanet")


def _coding(maps: list[Any], image: tuple[int, ...], side: int) -> AnchorCoding:
    """Return the anchors: as in torchvision, the first is at the corner and steps are whole px."""
    levels = []
    for number, one in enumerate(maps):
        rows, columns = one.shape[1:3]
        step = (image[0] // rows / image[0], image[1] // columns / image[1])
        sizes = octave_sizes(side * 2**number, image)
        levels.append(Level(rows, columns, step, (0.0, 0.0), sizes))
    return AnchorCoding(tuple(levels), "sigmoid")
