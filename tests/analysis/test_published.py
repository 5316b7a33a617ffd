"""Counts against published numbers, in the convention of each source."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from cnnbench.analysis import Inspection, inspect, weightless

ROWS = list(csv.DictReader((Path(__file__).parent / "published_macs.csv").open()))
# What the sources themselves print wrongly or of another part of the network; the exact number is
# in the table's own notes, or follows from rows of other sources for the same network.
KNOWN_WRONG = {
    ("MobileNet", "0.529"): "a misprint of 569 M",
    ("MobileNetV3Small", "0.066"): "an early version of the paper; the network has 56.5 M",
    ("MobileNetV3Large", "0.219"): "the paper; its code, Keras and torchvision have 217 M",
    ("EfficientNetV2M", "24.7"): "more than multiply-adds are in it: exact 24.582",
    ("EfficientNetV2L", "56.3"): "more than multiply-adds are in it: exact 56.080",
    ("EfficientNetB4", "4.2"): "4.4 % below the exact 4.394",
    ("EfficientNetB5", "9.9"): "3.6 % below the exact 10.266",
    ("ConvNeXtBase", "45.0"): "exact 45.122; timm prints 45.21 with its normalisation",
    ("VGG16", "15.3"): "convolutions only: 15.347 G",
    ("DenseNet169", "3.5"): "exact 3.360",
}
BIG = ("EfficientNetB4", "EfficientNetB5", "EfficientNetB6", "EfficientNetB7", "NASNetLarge")
BIG += ("EfficientNetV2S", "EfficientNetV2M", "EfficientNetV2L", "InceptionResNetV2")
BIG += ("ConvNeXtSmall", "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtXLarge", "DenseNet201")
BIG += ("EfficientNetB2", "EfficientNetB3", "EfficientNetV2B2", "EfficientNetV2B3", "ResNet152")
TORCHVISION = {  # the published `_ops` of torchvision's weights, same graph and size
    "VGG16": 15.47,
    "VGG19": 19.632,
    "DenseNet121": 2.834,
    "MobileNetV2": 0.301,
    "EfficientNetB0": 0.386,
    "InceptionV3": 5.713,
    "ConvNeXtTiny": 4.456,
}


@cache
def counted(name: str, size: int, convention: str = "papers") -> Inspection:
    with weightless():
        model = getattr(tf.keras.applications, name)(weights=None, input_shape=(size, size, 3))
        return inspect(model, convention=convention)


def _rows() -> list[Any]:
    return [
        pytest.param(
            row,
            id=f"{row['source']}-{row['model']}-{row['resolution']}-{row['gmacs']}",
            marks=[pytest.mark.slow] if row["model"] in BIG else [],
        )
        for row in ROWS
    ]


@pytest.mark.parametrize("row", _rows())
def test_every_same_graph_row_within_its_rounding(row: dict[str, str]) -> None:
    if row["source"] != "timm" and (row["model"], row["gmacs"]) in KNOWN_WRONG:
        pytest.skip(KNOWN_WRONG[row["model"], row["gmacs"]])
    timm = row["source"] == "timm"
    found = counted(row["model"], int(row["resolution"]), "timm" if timm else "papers")
    digits = 2 if timm else len(row["gmacs"].partition(".")[2])
    if timm and float(row["gmacs"]) >= 100:
        digits = 1
    # Papers round either way; timm's script rounds to the nearest.
    step = 10.0**-digits
    assert abs(found.metrics["macs"] / 1e9 - float(row["gmacs"])) < step * (0.51 if timm else 1.01)


@pytest.mark.parametrize(("name", "gigas"), TORCHVISION.items())
def test_torchvision(name: str, gigas: float) -> None:
    size = 299 if name == "InceptionV3" else 224
    found = counted(name, size, "torchvision")
    assert round(found.metrics["macs"] / 1e9, 3) == gigas
    assert found.metrics["flops"] == found.metrics["macs"]


# What tf.compat.v1.profiler itself printed for these networks, built and traced for one image.
@pytest.mark.parametrize(
    ("name", "flops"), [("VGG16", 30_960_211_824), ("MobileNetV2", 615_292_208)]
)
def test_tf_profiler(name: str, flops: int) -> None:
    assert counted(name, 224, "tf-profiler").metrics["flops"] == flops


def test_parameters_depth_and_field_of_well_known_networks() -> None:
    vgg = counted("VGG16", 224).metrics
    assert (vgg["params"], vgg["depth"], vgg["receptive_field_px"]) == (138_357_544, 16, 212)
    resnet = counted("ResNet50", 224).metrics
    assert (resnet["params"], resnet["depth"]) == (25_636_712, 50)
    # Araujo et al. 2019, table 1: 483 px for ResNet-50 v1, 1311 px for Inception v3.
    assert resnet["receptive_field_px"] == 483
    assert counted("InceptionV3", 299).metrics["receptive_field_px"] == 1311
    # 26,560 BatchNormalization channels: two moving statistics each are not trainable.
    assert resnet["params"] - resnet["trainable_params"] == 2 * 26_560
