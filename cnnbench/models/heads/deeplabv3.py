"""``+deeplabv3``: atrous spatial pyramid pooling (ASPP) on dilated maps."""

from __future__ import annotations

from typing import Any

from cnnbench.errors import UserError
from cnnbench.models.heads import PREFIX, check_at_least, check_power_of_2, maps_of
from cnnbench.models.heads.feature_maps import image_size, size_of
from cnnbench.named import show


class DeepLabV3:
    """DeepLabv3 (arXiv:1706.05587, sec. 3.3) as in torchvision's ``deeplabv3_resnet50``.

    The backbone is dilated (`dilated`), so that its maps are at most ``output_stride`` px apart.
    ASPP concatenates a 1x1 convolution, 3x3 convolutions with the dilations ``rates``, and the
    average over all positions, each with ``width`` filters, batch normalisation and ReLU. A 1x1 and
    a 3x3 convolution follow, then the 1x1 convolution to the logits, which are resized bilinearly.
    The rates are those for an output stride of 8; the paper halves them at 16.

    Output: logits ``(n, height, width, classes)``, as large as the image.
    """

    task = "segmentation"
    summary = "dilated convolutions at several rates on a dilated backbone (ASPP)"
    takes_top = False

    def attach(
        self,
        backbone: Any,
        classes: int,
        *,
        output_stride: int = 8,
        rates: tuple[int, ...] = (12, 24, 36),
        width: int = 256,
        dropout: float = 0.5,
    ) -> Any:
        import tensorflow as tf

        from cnnbench.models.dilated import dilated
        from cnnbench.models.families.layers import conv_bn
        from cnnbench.models.families.upsampling import bilinear, enlarged

        layers = tf.keras.layers
        check_power_of_2(output_stride=output_stride)
        check_at_least(1, width=width)
        if min(rates) < 1:
            raise UserError(f"its head's parameter rates={show(rates)} must be at least 1 each")
        maps = maps_of(dilated(backbone, output_stride))
        branches = [conv_bn(maps, width, 1, name=f"{PREFIX}aspp_1x1")]
        for number, rate in enumerate(rates, start=1):
            name = f"{PREFIX}aspp_rate{number}"
            branches.append(conv_bn(maps, width, 3, dilation=rate, name=name))
        name = f"{PREFIX}aspp_pool"
        pooled = layers.GlobalAveragePooling2D(keepdims=True, name=name)(maps)
        pooled = conv_bn(pooled, width, 1, name=name)
        branches.append(layers.UpSampling2D(size_of(maps), name=f"{name}_up")(pooled))
        x = layers.Concatenate(name=f"{PREFIX}aspp")(branches)
        x = conv_bn(x, width, 1, name=f"{PREFIX}project")
        if dropout:
            x = layers.Dropout(dropout, name=f"{PREFIX}dropout")(x)
        x = conv_bn(x, width, 3, name=f"{PREFIX}conv")
        x = layers.Conv2D(classes, 1, name=f"{PREFIX}score")(x)
        name = f"{PREFIX}up_image"
        return enlarged(x, image_size(backbone), bilinear(name), name)


DEEPLABV3 = DeepLabV3()
