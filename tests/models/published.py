"""Published figures of the networks of the catalogue, with their sources."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """Counts of one network; None where the source prints none.

    Attributes:
        model: as `registry.resolve` takes it.
        total: parameters, BatchNormalization's moving statistics included, as Keras counts.
        trainable: parameters without them, as PyTorch and papers count.
        macs: multiply-adds of convolutions and dense layers for one image.
        source: who says so. Where it says "exact", the rounded figure of the source is exceeded
            by the exact one, computed from the layer table.
    """

    model: str
    source: str
    total: int | None = None
    trainable: int | None = None
    macs: int | None = None


TORCHVISION = "torchvision's num_params and GFLOPS of the same graph"
TIMM = "timm results/benchmark-infer-amp-nchw (rounded), exact by arithmetic"

PUBLISHED = (
    Published("BasicCNN", "ch. 14's notebook, cell 52, by arithmetic", 1_413_834, macs=89_466_496),
    # C1 156 + C3 2,416 + C5 48,120 + F6 10,164 + output 850; 1998 printed 60,000 parameters and
    # 340,908 connections with a partial C3, trainable subsampling and a fixed RBF output.
    Published("LeNet5[modern=true]", "Table 14-1, full C3, dense output", 61_706, macs=416_520),
    Published("LeNet5", "the same layers with tanh and average pooling", 61_706, macs=416_520),
    Published("AlexNet", "Table 14-2 without groups", 62_378_344, macs=1_135_256_096),
    # "61M and 724M" in Sze et al. 2017, arXiv:1703.09039; the abstract of 2012 says 60 million.
    Published("AlexNet[groups=2]", "Table 14-2 with two groups", 60_965_224, macs=724_406_816),
    # The maps of the figure (110, 26, 13, 6 a side) times the filters that it prints.
    Published("ZFNet", "arXiv:1311.2901 fig. 3, by arithmetic", 62_357_608, macs=1_168_032_896),
    # The paper's Table 1 adds up to 6.798 M and 1.502 G, but its first row (2.7K parameters, 34M
    # operations) cannot be 7x7x3x64: that is 9.4K and 118M. This is the graph's true count.
    Published("GoogLeNet", "arXiv:1409.4842 Table 1, corrected", 6_998_552, macs=1_582_671_872),
    # 2 C²/16 + C/16 + C of each module's 256, 480, 512, 512, 512, 528, 832, 832, 1,024 maps.
    Published("GoogLeNet[se_ratio=16]", "arXiv:1709.01507 fig. 2, r = 16", 6_998_552 + 480_103),
    Published("VGG11", TORCHVISION, 132_863_336, macs=7_609_090_048),
    Published("VGG13", TORCHVISION, 133_047_848, macs=11_308_466_176),
    Published("InceptionV4", TIMM, None, 42_679_816, 12_253_974_624),
    Published("ResNet18", TORCHVISION, 11_699_112, 11_689_512, 1_814_073_344),
    # The paper prints 3.6e9 multiply-adds; ch. 14's notebook ends in 10 classes.
    Published("ResNet34", TORCHVISION, 21_814_696, 21_797_672, 3_663_761_408),
    Published("ResNet34[classes=10]", "ch. 14's notebook", 21_306_826, 21_289_802, 3_663_254_528),
    # The paper's 3.8e9 are v1, with the stride on the first 1x1.
    Published("ResNet50V1_5", TORCHVISION, None, 25_557_032, 4_089_184_256),
    Published("ResNet101V1_5", TORCHVISION, None, 44_549_160, 7_801_405_440),
    Published("ResNet152V1_5", TORCHVISION, None, 60_192_808, 11_513_626_624),
    # ResNet-34's 21,797,672 and, for C = 64, 128, 256, 512 in 3, 4, 6, 3 units, 2C²/16 + C/16 + C:
    # 3·580 + 4·2,184 + 6·8,464 + 3·33,312 = 161,196.
    Published("SEResNet34", "arXiv:1709.01507 Table 1, r = 16", None, 21_797_672 + 161_196),
    # Paper, sec. 4: 3.87 GFLOPs; timm's legacy_seresnet50: 28.09 M and 3.88 G with normalisation.
    Published("SEResNet50", TIMM, None, 28_088_024, 3_860_488_192),
    Published("ResNet50V1_5[se_ratio=16]", TIMM, None, 28_088_024),
    Published("SEResNet101", "arXiv:1709.01507 Table 1, r = 16", None, 49_326_872),
    Published("ResNeXt50", TORCHVISION, None, 25_028_904, 4_230_479_872),
    Published("ResNeXt101", "arXiv:1611.05431: ResNeXt-101 32x4d", None, 44_177_704),
    Published("ResNeXt101[cardinality=64]", TORCHVISION, None, 83_455_272),
    # timm prints 21.62 M and 4.54 G, of which 0.023 G are its two per normalised element.
    Published("CSPResNet50", TIMM, None, 21_616_168, 4_517_240_832),
    Published("SqueezeNet", "arXiv:1602.07360 Table 1", 1_248_424),
    Published("SqueezeNet1_1", TORCHVISION, 1_235_496, macs=349_151_936),
    Published("ShuffleNetV2", TORCHVISION, None, 2_278_604, 144_907_992),
    Published("ShuffleNetV2[alpha=0.5]", TORCHVISION, None, 1_366_792),
    Published("ShuffleNetV2[alpha=1.5]", TORCHVISION, None, 3_503_624),
    Published("ShuffleNetV2[alpha=2.0]", TORCHVISION, None, 7_393_996),
    Published("EfficientNetLite0", TIMM, None, 4_652_008),
    Published("EfficientNetLite1", TIMM, None, 5_416_680),
    Published("EfficientNetLite2", TIMM, None, 6_092_072),
    Published("EfficientNetLite3", TIMM, None, 8_197_096),
    Published("EfficientNetLite4", TIMM, None, 13_006_568),
    # torchvision prints 34.858, 0.583 and 151.54 G; 91 classes, with a background.
    Published("SSD300", TORCHVISION, 35_641_826, 35_641_826, 34_858_153_472),
    Published("SSDLite320", TORCHVISION, None, 3_440_060, 583_171_904),
    Published("RetinaNet[frozen_norm=true]", TORCHVISION, None, 34_014_999, 151_540_437_248),
    # torchvision prints 134.38 G, without the mask head: tests/models/test_mask_rcnn.py.
    Published("MaskRCNN[frozen_norm=true]", TORCHVISION, None, 44_401_393, 187_586_351_616),
    # The size of torchvision's and of the first PyTorch implementation of SSD for VOC.
    Published("SSD300[classes=20]", "21 classes with the background", 26_285_486),
)

# Printed with two to four digits, so that only closeness can be asserted: (model, MACs, source).
ROUNDED_MACS = (
    ("ResNet18", 1.8e9, "arXiv:1512.03385 Table 1"),
    ("ResNet34", 3.6e9, "arXiv:1512.03385 Table 1, rounded down"),
    ("ResNet50", 3.8e9, "arXiv:1512.03385 Table 1, rounded down"),
    ("SEResNet50", 3.87e9, "arXiv:1709.01507 sec. 4"),
    ("ResNeXt101[cardinality=64]", 15.5e9, "torchvision resnext101_64x4d 15.46, timm 15.52"),
    ("ShuffleNetV2", 146e6, "arXiv:1807.11164 Table 8"),
)

# github.com/tensorflow/tpu, efficientnet/lite/README.md. Its "MAdds" exceed the multiply-adds of
# convolutions and dense layers by 3 to 6 %: they count normalisation and activations too.
LITE_MADDS = {
    f"EfficientNetLite{size}": madds
    for size, madds in enumerate((407e6, 631e6, 899e6, 1.44e9, 2.64e9))
}
