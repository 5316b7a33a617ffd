"""``+fcn``: a 3x3 convolution and class scores on dilated maps, as torchvision's FCN."""

from __future__ import annotations

from typing import Any

from cnnbench.models.heads import PREFIX, check_at_least, check_power_of_2, maps_of
from cnnbench.models.heads.feature_maps import image_size


class Fcn:
    """The head of torchvision's ``fcn_resnet50``, without its auxiliary head.

    The backbone is dilated (`dilated`), so that its maps are at most ``output_stride`` px apart. A
    3x3 convolution with a quarter of their channels (``width``, if it is not 0), batch
    normalisation, ReLU and dropout precede the 1x1 convolution to the logits, which are resized
    bilinearly.

    Output: logits ``(n, height, width, classes)``, as large as the image.
    """

    task = "segmentation"
    summary = "class scores on the last maps of a dilated backbone (torchvision's FCN)"
    takes_top = False

    def attach(
        self,
        backbone: Any,
        classes: int,
        *,
        output_stride: int = 8,
        width: int = 0,
        dropout: float = 0.1,
    ) -> Any:
        import tensorflow as tf

        from cnnbench.models.dilated import dilated
        from cnnbench.models.families.layers import conv_bn
        from cnnbench.models.families.upsampling import bilinear, enlarged

        check_power_of_2(output_stride=output_stride)
        check_at_least(0, width=width)
        maps = maps_of(dilated(backbone, output_stride))
        x = conv_bn(maps, width or max(maps.shape[-1] // 4, 1), 3, name=f"{PREFIX}conv")
        if dropout:
            x = tf.keras.layers.Dropout(dropout, name=f"{PREFIX}dropout")(x)
        x = tf.keras.layers.Conv2D(classes, 1, name=f"{PREFIX}score")(x)
        name = f"{PREFIX}up_image"
        return enlarged(x, image_size(backbone), bilinear(name), name)


FCN = Fcn()
