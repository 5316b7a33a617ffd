"""Counts against published numbers, in the convention of each source."""

from __future__ import annotations

import ast
import csv
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from cnnbench.analysis import Inspection, inspect, weightless

ROWS = list(csv.DictReader((Path(__file__).parent / "published_macs.csv").open()))
# What the sources themselves print wrongly: the number in GMACs that other sources, or the notes of
# the collection, have for the same network, and what is wrong with the printed one.
CORRECTED = {
    ("MobileNet", "0.529"): ("0.569", "a misprint; the paper has 569 M"),
    ("MobileNetV3Small", "0.066"): ("0.0565", "of an early version of the paper"),
    ("MobileNetV3Small", "0.065"): ("0.0523", "of the same early version; timm has 0.06"),
    ("MobileNetV3Large", "0.219"): ("0.217", "the paper; its code and Keras have 217 M"),
    ("EfficientNetV2M", "24.7"): ("24.58", "more than multiply-adds are in it"),
    ("EfficientNetV2L", "56.3"): ("56.08", "more than multiply-adds are in it"),
    ("EfficientNetB4", "4.2"): ("4.394", "4.4 % below the network of the paper's own code"),
    ("EfficientNetB5", "9.9"): ("10.266", "3.6 % below the network of the paper's own code"),
    ("ConvNeXtBase", "45.0"): ("45.12", "timm has 45.21 with its normalisation"),
    ("DenseNet169", "3.5"): ("3.360", "of another paper; timm has 3.4"),
}
CONVOLUTIONS_ONLY = ("VGG16", "15.3")
# Counted by the fast tests: one of every kind, with a few of its sizes, widths and options.
FAST = {
    *((name, "224", "") for name in ("VGG16", "ResNet50", "MobileNet", "MobileNetV2")),
    *((name, "224", "") for name in ("MobileNetV3Small", "DenseNet121", "ConvNeXtTiny")),
    *((name, "224", "") for name in ("EfficientNetB0", "EfficientNetV2B0")),
    *((name, "299", "") for name in ("InceptionV3", "Xception")),
    ("MobileNet", "128", ""),
    ("MobileNet", "224", "alpha=0.25"),
    ("MobileNetV2", "96", "alpha=0.35"),
    ("MobileNetV2", "224", "alpha=1.4"),
    ("MobileNetV3Small", "224", "minimalistic=True"),
}
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
def counted(name: str, size: int, convention: str = "papers", options: str = "") -> Inspection:
    key, _, value = options.partition("=")
    others = {key: ast.literal_eval(value)} if key else {}
    with weightless():
        builder = getattr(tf.keras.applications, name)
        model = builder(weights=None, input_shape=(size, size, 3), **others)
        return inspect(model, convention=convention)


def _place(row: dict[str, str]) -> tuple[str, str, str]:
    return row["model"], row["resolution"], row["options"]


def _rows() -> list[Any]:
    return [
        pytest.param(
            row,
            id="-".join(
                (row["source"], row["model"], row["options"], row["resolution"], row["gmacs"])
            ),
            marks=[] if _place(row) in FAST else [pytest.mark.slow],
        )
        for row in ROWS
    ]


def test_the_fast_rows_are_in_the_collection() -> None:
    assert {_place(row) for row in ROWS} >= FAST


@pytest.mark.parametrize("row", _rows())
def test_macs_equal_published_ones_within_rounding(row: dict[str, str]) -> None:
    timm = row["source"] == "timm"
    convention = "timm" if timm else "papers"
    found = counted(row["model"], int(row["resolution"]), convention, row["options"])
    macs, printed = found.metrics["macs"], row["gmacs"]
    if not timm and (row["model"], printed) == CONVOLUTIONS_ONLY:
        macs = sum(layer.macs for layer in found.rows if layer.type == "Conv2D")
    if not timm:
        printed, _ = CORRECTED.get((row["model"], printed), (printed, ""))
    digits = len(printed.partition(".")[2])
    if timm:
        digits = 1 if float(printed) >= 100 else 2
    # Papers round either way; timm's script rounds to the nearest.
    step = 10.0**-digits
    assert abs(macs / 1e9 - float(printed)) < step * (0.51 if timm else 1.01)


@pytest.mark.parametrize(("name", "gigas"), TORCHVISION.items())
def test_torchvision_convention_equals_its_published_gflops(name: str, gigas: float) -> None:
    size = 299 if name == "InceptionV3" else 224
    found = counted(name, size, "torchvision")
    assert round(found.metrics["macs"] / 1e9, 3) == gigas
    assert found.metrics["flops"] == found.metrics["macs"]


# What tf.compat.v1.profiler itself printed for these networks, built and traced for one image.
@pytest.mark.parametrize(
    ("name", "flops"), [("VGG16", 30_960_211_824), ("MobileNetV2", 615_292_208)]
)
def test_tf_profiler_convention_equals_known_flops(name: str, flops: int) -> None:
    assert counted(name, 224, "tf-profiler").metrics["flops"] == flops


# One of each family: what the profiler prints now, beside what is counted layer by layer.
FAMILIES = ("DenseNet121", "EfficientNetB0", "InceptionV3", "MobileNetV3Small", "ResNet50V2")
FAMILIES += ("Xception", "NASNetMobile", "ConvNeXtTiny", "EfficientNetV2B0", "MobileNet")


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_tf_profiler_convention_equals_the_profiler(name: str) -> None:
    size = 299 if name in ("InceptionV3", "Xception") else 224
    tf.keras.backend.clear_session()
    model = getattr(tf.keras.applications, name)(weights=None, input_shape=(size, size, 3))
    traced = tf.function(lambda x: model(x, training=False))
    graph = traced.get_concrete_function(tf.TensorSpec((1, size, size, 3))).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    printed = tf.compat.v1.profiler.profile(graph=graph, cmd="op", options=options)
    found = inspect(model, convention="tf-profiler")
    # Grouped convolutions hide in a function, which the profiler does not enter.
    hidden = sum(
        2 * row.macs
        for op, row in zip(found.graph.ops, found.rows, strict=True)
        if op.kind == "Conv2D" and op.layer.groups > 1
    )
    assert (hidden > 0) == (name == "ConvNeXtTiny")
    assert found.metrics["flops"] - hidden == printed.total_float_ops


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
