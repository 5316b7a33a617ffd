"""Every architecture that cnnbench knows by name: plain data, nothing heavy is imported.

A new architecture is one function under ``families/`` and one line here.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from cnnbench.errors import plain
from cnnbench.models import papers
from cnnbench.models.papers import Family

Origin = Literal["keras.applications", "cnnbench", "user"]


@dataclass(frozen=True)
class Entry:
    """Facts about an architecture that are known without building it.

    Attributes:
        name: canonical; Keras' own class name where there is one.
        family: the name of its `papers.Family`.
        year: of the paper, or None.
        paper: title, arXiv number or DOI, and the place in it.
        input_shape: the default input, ``(height, width, channels)``; () where unknown.
        params: parameters at the defaults, BatchNormalization statistics included, or None.
        min_size: the smallest height and width it can be built at, or None where unknown.
        source: who wrote the builder.
        builder: where it is, ``package.module:function``.
        classes: the default number of classes; 0 where unknown.
        task: what it is for: ``classification``.
    """

    name: str
    family: str
    year: int | None
    paper: str
    input_shape: tuple[int, ...]
    params: int | None
    min_size: int | None
    source: Origin
    builder: str
    classes: int = 1000
    task: str = "classification"

    @classmethod
    def of_user(
        cls, name: str, builder: str, input_shape: tuple[int, ...] = (), classes: int = 0
    ) -> Entry:
        """Return the entry of a model that is not in the catalogue."""
        return cls(name, "user", None, "", input_shape, None, None, "user", builder, classes)

    @property
    def published(self) -> Mapping[str, float]:
        """The ``published_*`` metrics, in base units, or nothing."""
        return _published().get(self.name, {})


def _keras(
    name: str, family: Family, module: str, px: int, params: int, min_size: int = 32
) -> Entry:
    builder = f"keras.applications.{module}:{name}"
    return Entry(
        name,
        family.name,
        family.year,
        family.paper,
        (px, px, 3),
        params,
        min_size,
        "keras.applications",
        builder,
    )


def _own(
    name: str,
    family: Family,
    module: str,
    px: int,
    params: int,
    min_size: int,
    channels: int = 3,
    classes: int = 1000,
) -> Entry:
    builder = f"cnnbench.models.families.{module}:{name}"
    return Entry(
        name,
        family.name,
        family.year,
        family.paper,
        (px, px, channels),
        params,
        min_size,
        "cnnbench",
        builder,
        classes,
    )


def _entries() -> Iterator[Entry]:
    yield _own("BasicCNN", papers.BASIC_CNN, "basic_cnn", 28, 1_413_834, 8, 1, 10)
    yield _own("LeNet5", papers.LENET, "lenet", 32, 61_706, 1, 1, 10)
    yield _own("AlexNet", papers.ALEXNET, "alexnet", 227, 62_378_344, 67)
    yield _own("ZFNet", papers.ZFNET, "zfnet", 224, 62_357_608, 53)
    yield _own("GoogLeNet", papers.GOOGLENET, "googlenet", 224, 6_998_552, 1)
    yield _own("VGG11", papers.VGG, "vgg", 224, 132_863_336, 32)
    yield _own("VGG13", papers.VGG, "vgg", 224, 133_047_848, 32)
    yield _own("InceptionV4", papers.INCEPTION_V4, "inception_v4", 299, 42_742_984, 75)
    yield _own("ResNet18", papers.RESNET, "resnet", 224, 11_699_112, 1)
    yield _own("ResNet34", papers.RESNET, "resnet", 224, 21_814_696, 1)
    yield _own("ResNet50V1_5", papers.RESNET_V1_5, "resnet", 224, 25_610_152, 1)
    yield _own("ResNet101V1_5", papers.RESNET_V1_5, "resnet", 224, 44_654_504, 1)
    yield _own("ResNet152V1_5", papers.RESNET_V1_5, "resnet", 224, 60_344_232, 1)
    yield _own("SEResNet34", papers.SENET, "senet", 224, 21_975_892, 1)
    yield _own("SEResNet50", papers.SENET, "senet", 224, 28_141_144, 1)
    yield _own("SEResNet101", papers.SENET, "senet", 224, 49_432_216, 1)
    yield _own("ResNeXt50", papers.RESNEXT, "resnext", 224, 25_097_128, 1)
    yield _own("ResNeXt101", papers.RESNEXT, "resnext", 224, 44_315_560, 1)
    yield _own("CSPResNet50", papers.CSPNET, "cspresnet", 256, 21_656_488, 1)
    yield _own("SqueezeNet", papers.SQUEEZENET, "squeezenet", 227, 1_248_424, 35)
    yield _own("SqueezeNet1_1", papers.SQUEEZENET, "squeezenet", 224, 1_235_496, 31)
    yield _own("ShuffleNetV2", papers.SHUFFLENET_V2, "shufflenet_v2", 224, 2_294_784, 1)
    yield _own(
        "EfficientNetLite0", papers.EFFICIENTNET_LITE, "efficientnet_lite", 224, 4_694_024, 1
    )
    yield _own(
        "EfficientNetLite1", papers.EFFICIENTNET_LITE, "efficientnet_lite", 240, 5_470_344, 1
    )
    yield _own(
        "EfficientNetLite2", papers.EFFICIENTNET_LITE, "efficientnet_lite", 260, 6_150_168, 1
    )
    yield _own(
        "EfficientNetLite3", papers.EFFICIENTNET_LITE, "efficientnet_lite", 280, 8_273_768, 1
    )
    yield _own(
        "EfficientNetLite4", papers.EFFICIENTNET_LITE, "efficientnet_lite", 300, 13_118_936, 1
    )

    yield _keras("VGG16", papers.VGG, "vgg16", 224, 138_357_544)
    yield _keras("VGG19", papers.VGG, "vgg19", 224, 143_667_240)
    yield _keras("ResNet50", papers.RESNET, "resnet", 224, 25_636_712)
    yield _keras("ResNet101", papers.RESNET, "resnet", 224, 44_707_176)
    yield _keras("ResNet152", papers.RESNET, "resnet", 224, 60_419_944)
    yield _keras("ResNet50V2", papers.RESNET_V2, "resnet_v2", 224, 25_613_800)
    yield _keras("ResNet101V2", papers.RESNET_V2, "resnet_v2", 224, 44_675_560)
    yield _keras("ResNet152V2", papers.RESNET_V2, "resnet_v2", 224, 60_380_648)
    yield _keras("InceptionV3", papers.INCEPTION, "inception_v3", 299, 23_851_784, 75)
    yield _keras(
        "InceptionResNetV2", papers.INCEPTION_RESNET, "inception_resnet_v2", 299, 55_873_736, 75
    )
    yield _keras("Xception", papers.XCEPTION, "xception", 299, 22_910_480, 71)
    yield _keras("DenseNet121", papers.DENSENET, "densenet", 224, 8_062_504)
    yield _keras("DenseNet169", papers.DENSENET, "densenet", 224, 14_307_880)
    yield _keras("DenseNet201", papers.DENSENET, "densenet", 224, 20_242_984)
    yield _keras("MobileNet", papers.MOBILENET, "mobilenet", 224, 4_253_864)
    yield _keras("MobileNetV2", papers.MOBILENET_V2, "mobilenet_v2", 224, 3_538_984)
    yield _keras("MobileNetV3Small", papers.MOBILENET_V3, "mobilenet_v3", 224, 2_554_968)
    yield _keras("MobileNetV3Large", papers.MOBILENET_V3, "mobilenet_v3", 224, 5_507_432)
    yield _keras("NASNetMobile", papers.NASNET, "nasnet", 224, 5_326_716)
    yield _keras("NASNetLarge", papers.NASNET, "nasnet", 331, 88_949_818)
    yield _keras("EfficientNetB0", papers.EFFICIENTNET, "efficientnet", 224, 5_330_571)
    yield _keras("EfficientNetB1", papers.EFFICIENTNET, "efficientnet", 240, 7_856_239)
    yield _keras("EfficientNetB2", papers.EFFICIENTNET, "efficientnet", 260, 9_177_569)
    yield _keras("EfficientNetB3", papers.EFFICIENTNET, "efficientnet", 300, 12_320_535)
    yield _keras("EfficientNetB4", papers.EFFICIENTNET, "efficientnet", 380, 19_466_823)
    yield _keras("EfficientNetB5", papers.EFFICIENTNET, "efficientnet", 456, 30_562_527)
    yield _keras("EfficientNetB6", papers.EFFICIENTNET, "efficientnet", 528, 43_265_143)
    yield _keras("EfficientNetB7", papers.EFFICIENTNET, "efficientnet", 600, 66_658_687)
    yield _keras("EfficientNetV2B0", papers.EFFICIENTNET_V2, "efficientnet_v2", 224, 7_200_312)
    yield _keras("EfficientNetV2B1", papers.EFFICIENTNET_V2, "efficientnet_v2", 240, 8_212_124)
    yield _keras("EfficientNetV2B2", papers.EFFICIENTNET_V2, "efficientnet_v2", 260, 10_178_374)
    yield _keras("EfficientNetV2B3", papers.EFFICIENTNET_V2, "efficientnet_v2", 300, 14_467_622)
    yield _keras("EfficientNetV2S", papers.EFFICIENTNET_V2, "efficientnet_v2", 384, 21_612_360)
    yield _keras("EfficientNetV2M", papers.EFFICIENTNET_V2, "efficientnet_v2", 480, 54_431_388)
    yield _keras("EfficientNetV2L", papers.EFFICIENTNET_V2, "efficientnet_v2", 480, 119_027_848)
    yield _keras("ConvNeXtTiny", papers.CONVNEXT, "convnext", 224, 28_589_128)
    yield _keras("ConvNeXtSmall", papers.CONVNEXT, "convnext", 224, 50_223_688)
    yield _keras("ConvNeXtBase", papers.CONVNEXT, "convnext", 224, 88_591_464)
    yield _keras("ConvNeXtLarge", papers.CONVNEXT, "convnext", 224, 197_767_336)
    yield _keras("ConvNeXtXLarge", papers.CONVNEXT, "convnext", 224, 350_196_968)


ENTRIES: Mapping[str, Entry] = {entry.name: entry for entry in _entries()}
_BY_PLAIN_NAME = {plain(name): name for name in ENTRIES}


def canonical(name: str) -> str | None:
    """Return the catalogue's spelling of ``name``, ignoring case, ``_`` and ``-``; or None."""
    return _BY_PLAIN_NAME.get(plain(name))


# The columns of https://keras.io/api/applications and of the chapter's Table 14-3, and what they
# are in base units: the "MB" are MiB, the times ms.
_PUBLISHED = {
    "size_mib": ("published_size_bytes", 2**20),
    "top1_pct": ("published_top1", 0.01),
    "top5_pct": ("published_top5", 0.01),
    "params": ("published_params", 1),
    "depth": ("published_depth", 1),
    "cpu_ms": ("published_cpu_s", 0.001),
    "gpu_ms": ("published_gpu_s", 0.001),
}


@cache
def _published() -> dict[str, dict[str, float]]:
    file = Path(__file__).with_name("keras_applications.csv")
    with file.open(newline="", encoding="utf-8") as lines:
        return {row["name"]: dict(_base_units(row)) for row in csv.DictReader(lines)}


def _base_units(row: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    for name, (metric, unit) in _PUBLISHED.items():
        if row[name]:
            yield (
                metric,
                round(float(row[name]) * unit, 10),
            )  # 74.9 * 0.01 is 0.749, not 0.7490000001
