"""``+fcn32s``, ``+fcn16s``, ``+fcn8s``: class scores, upsampled and summed with finer scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnbench.models.heads import PREFIX, check_at_least
from cnnbench.models.heads.feature_maps import image_size, stage_maps


@dataclass(frozen=True)
class FcnScores:
    """Fully convolutional networks for segmentation (Long et al., arXiv:1411.4038, sec. 4).

    A 1x1 convolution scores each class on the coarsest maps. A transposed convolution enlarges the
    scores to the next finer maps of the backbone, whose own scores are added: ``skips`` times,
    where the backbone has that many resolutions. A last transposed convolution enlarges the sum to
    the image. All transposed convolutions start as bilinear interpolation and are trained; in the
    paper the last one is fixed. The strides in the names are those of a backbone with an overall
    stride of 32.

    With ``depth`` 3x3 convolutions of ``width`` filters before the first scores the head takes the
    place of the paper's fc6 and fc7.

    Output: logits ``(n, height, width, classes)``, as large as the image.
    """

    stride: int
    skips: int

    task = "segmentation"
    takes_top = False

    @property
    def summary(self) -> str:
        skips = {0: "no skip", 1: "one skip"}.get(self.skips, f"{self.skips} skips")
        return f"class scores, transposed convolutions and {skips} (FCN-{self.stride}s)"

    def attach(self, backbone: Any, classes: int, *, width: int = 128, depth: int = 0) -> Any:
        import tensorflow as tf

        from cnnbench.models.families.layers import conv_bn
        from cnnbench.models.families.upsampling import enlarged, transposed_bilinear

        layers = tf.keras.layers
        check_at_least(1, width=width)
        check_at_least(0, depth=depth)
        *finer, x = stage_maps(backbone)
        for number in range(1, depth + 1):
            x = conv_bn(x, width, 3, name=f"{PREFIX}conv{number}")
        x = layers.Conv2D(classes, 1, name=f"{PREFIX}score")(x)
        for number, maps in enumerate(finer[::-1][: self.skips], start=1):
            name = f"{PREFIX}up{number}"
            x = enlarged(x, maps.shape[1:3], transposed_bilinear(name), name)
            score = layers.Conv2D(classes, 1, name=f"{PREFIX}score_skip{number}")(maps)
            x = layers.Add(name=f"{PREFIX}sum{number}")([x, score])
        name = f"{PREFIX}up_image"
        return enlarged(x, image_size(backbone), transposed_bilinear(name), name)


FCN32S, FCN16S, FCN8S = FcnScores(32, 0), FcnScores(16, 1), FcnScores(8, 2)
