"""``+unet``: a decoder that concatenates the backbone's maps at each resolution."""

from __future__ import annotations

from typing import Any

from cnnbench.models.heads import PREFIX, check_at_least
from cnnbench.models.heads.feature_maps import image_size, stage_maps


class UNet:
    """The expanding path of U-Net (arXiv:1505.04597, sec. 2) on the maps of any backbone.

    From the coarsest maps on, each step is an up-convolution, a concatenation with the backbone's
    maps of that resolution, and ``depth`` 3x3 convolutions with batch normalisation. The finest
    step has ``width`` filters, each coarser one twice as many, at most ``widest``. A 1x1
    convolution gives the logits; if the finest maps are coarser than the image, they are resized
    bilinearly.

    Output: logits ``(n, height, width, classes)``, as large as the image.
    """

    task = "segmentation"
    summary = "a decoder with the backbone's maps at each resolution (U-Net)"
    takes_top = False

    def attach(
        self,
        backbone: Any,
        classes: int,
        *,
        width: int = 32,
        depth: int = 2,
        widest: int = 256,
    ) -> Any:
        import tensorflow as tf

        from cnnbench.models.families.layers import conv_bn
        from cnnbench.models.families.upsampling import bilinear, enlarged, up_convolution

        layers = tf.keras.layers
        check_at_least(1, width=width, depth=depth, widest=widest)
        *finer, x = stage_maps(backbone)
        for level in range(len(finer), 0, -1):
            maps = finer[level - 1]
            filters = min(width * 2 ** (level - 1), max(width, widest))
            name = f"{PREFIX}up{level}"
            x = enlarged(x, maps.shape[1:3], up_convolution(filters, name), name)
            x = layers.Concatenate(name=f"{PREFIX}skip{level}")([maps, x])
            for number in range(1, depth + 1):
                x = conv_bn(x, filters, 3, name=f"{PREFIX}level{level}_{number}")
        x = layers.Conv2D(classes, 1, name=f"{PREFIX}score")(x)
        name = f"{PREFIX}up_image"
        return enlarged(x, image_size(backbone), bilinear(name), name)


UNET = UNet()
