"""``+lraspp``: gated scores of two resolutions (Lite R-ASPP)."""

from __future__ import annotations

from typing import Any

from cnnbench.models.heads import PREFIX, check_at_least, check_power_of_2
from cnnbench.models.heads.feature_maps import image_size, stage_maps


class LiteRAspp:
    """Lite R-ASPP (arXiv:1905.02244, sec. 6.4) as in torchvision's ``lraspp_mobilenet_v3_large``.

    The backbone is dilated (`dilated`), so that its maps are at most ``output_stride`` px apart. A
    1x1 convolution with ``width`` filters, batch normalisation and ReLU is multiplied by a gate:
    the sigmoid of a 1x1 convolution of the average over all positions, as torchvision computes it;
    the paper pools windows of 49x49. Resized bilinearly to the next finer maps of the backbone, its
    class scores are added to those of the finer maps, and resized to the image.

    Output: logits ``(n, height, width, classes)``, as large as the image.
    """

    task = "segmentation"
    summary = "gated class scores of two resolutions, for small networks (Lite R-ASPP)"
    takes_top = False

    def attach(
        self, backbone: Any, classes: int, *, output_stride: int = 16, width: int = 128
    ) -> Any:
        import tensorflow as tf

        from cnnbench.models.dilated import dilated
        from cnnbench.models.families.layers import conv_bn
        from cnnbench.models.families.upsampling import bilinear, enlarged

        layers = tf.keras.layers
        check_power_of_2(output_stride=output_stride)
        check_at_least(1, width=width)
        *finer, last = stage_maps(dilated(backbone, output_stride))
        x = conv_bn(last, width, 1, name=f"{PREFIX}conv")
        gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{PREFIX}gate_pool")(last)
        gate = layers.Conv2D(
            width, 1, use_bias=False, activation="sigmoid", name=f"{PREFIX}gate_conv"
        )(gate)
        x = layers.Multiply(name=f"{PREFIX}gate")([x, gate])
        if finer:
            name = f"{PREFIX}up"
            x = enlarged(x, finer[-1].shape[1:3], bilinear(name), name)
        x = layers.Conv2D(classes, 1, name=f"{PREFIX}score")(x)
        if finer:
            low = layers.Conv2D(classes, 1, name=f"{PREFIX}score_low")(finer[-1])
            x = layers.Add(name=f"{PREFIX}sum")([x, low])
        name = f"{PREFIX}up_image"
        return enlarged(x, image_size(backbone), bilinear(name), name)


LRASPP = LiteRAspp()
