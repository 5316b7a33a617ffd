"""Table 14-3 beside what was measured: every pair, the rank correlations, and what disagrees."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from cnnbench.models import catalog
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.static import StaticSetting
from cnnbench.report.sections import published, published_text
from cnnbench.results import tables
from cnnbench.results.report import Report
from tests.records import LITERT, Book

with (Path(__file__).parent / "table_14_3.csv").open(encoding="utf-8") as _stream:
    TABLE = {row["name"]: row for row in csv.DictReader(_stream)}
GRAPH = LatencySetting(runtime="graph")
# Multiply-adds as `cnnbench inspect` counts them.
MACS = {
    "MobileNet": 568_740_352,
    "MobileNetV2": 300_774_272,
    "EfficientNetB0": 385_873_000,
    "EfficientNetB4": 4_394_000_000,
    "ResNet50V2": 3_482_000_000,
    "VGG16": 15_470_264_320,
}


def report(*models: str, odd: str = "") -> Report:
    book = Book(shape=(224, 224, 3), classes=1000)
    for name in models:
        facts = {str(k): float(v) for k, v in catalog.published(name).items()}
        counts = {
            "macs": MACS[name],
            "params": facts["published_params"],
            "weight_bytes": 4 * facts["published_params"],
        }
        book.record(name, StaticSetting(), 0, {**counts, **facts})
        seconds = MACS[name] * 1e-11 * (100 if name == odd else 1)
        book.latency(name, seconds, setting=LITERT, noise=0.001)
        book.latency(name, facts["published_cpu_s"] / 7, setting=GRAPH, noise=0.001)
    return tables.measured(book.records)


@pytest.mark.parametrize("name", TABLE)
def test_the_book_prints_what_keras_publishes(name: str) -> None:
    book, keras = TABLE[name], catalog.published(name)
    assert keras["published_size_bytes"] == float(book["size_mib"]) * 2**20
    assert keras["published_top1"] == pytest.approx(float(book["top1_pct"]) / 100)
    assert keras["published_top5"] == pytest.approx(float(book["top5_pct"]) / 100)
    assert keras["published_cpu_s"] == pytest.approx(float(book["cpu_ms"]) / 1000)
    assert keras["published_gpu_s"] == pytest.approx(float(book["gpu_ms"]) / 1000)
    assert round(keras["published_params"] / 1e6, 1) == float(book["params_m"])


def test_the_suite_is_the_table() -> None:
    from cnnbench.models import registry
    from cnnbench.suite import suite
    from tests.conftest import ROOT

    found = suite.load(ROOT / "suites/table_14_3.yaml", registry)
    assert [model.label for model in found.models] == list(TABLE)


def test_published_and_measured_stand_side_by_side() -> None:
    section = published_text.section(report(*MACS))
    assert section is not None
    text = section.as_text()
    line = next(line for line in text.splitlines() if line.startswith("EfficientNetB0"))
    assert " ".join(line.split()[1:]) == "29 MiB 20.3 MiB 5,330,571 5,330,571 390 M 386 M"
    assert "published, not measured" in text
    assert "71.3 %" in text
    assert "not measured" in text  # the GPU's column


def test_the_ranks_of_each_runtime_and_of_all_together() -> None:
    found = published.beside(report(*MACS))
    assert found is not None
    assert [pairs.setting for pairs in found.times] == [
        "all on the CPU",
        "cpu/litert/b1",
        "cpu/graph/b1",
    ]
    together, litert, graph = (pairs.correlation for pairs in found.times)
    assert graph.rho == pytest.approx(1)
    # Published: MobileNet, V2, ResNet50V2, B0, VGG16, B4. By MACs: V2, B0, MobileNet, ResNet50V2,
    # B4, VGG16. d = 2, 1, 1, 2, 1, 1: 1 - 6 * 12 / (6 * 35).
    assert litert.rho == pytest.approx(1 - 72 / 210)
    assert litert.low < litert.rho < litert.high < 1
    assert litert.rho <= together.rho <= 1


def test_what_disagrees_is_named_with_its_reason() -> None:
    found = published.beside(report(*MACS, odd="MobileNetV2"))
    assert found is not None
    notes = "\n".join(found.notes)
    assert "EfficientNetB0: the published size, 29 MiB, is 1.43 times its float32 weights" in notes
    assert "EfficientNetB4: 4.20 G MACs in arXiv:1905.11946 Table 2" in notes
    # 2 * 15.47e9 * 32 / 4.2 ms = 236 TFLOP/s.
    assert "VGG16: the published 4.20 ms per GPU step is impossible" in notes
    assert "needs 236 TFLOP/s" in notes
    assert "MobileNetV2: rank 2 of 6 by the published CPU time" in notes
    assert re.search(r"here 6 in cpu/litert/b1 \(1?\d\d\.\d times\)", notes)
    assert "ResNet50V2" not in notes


def test_accuracy_of_the_published_weights_stands_beside_the_published_one() -> None:
    frame = report(*MACS).to_frame()
    own = {"top1@photos/pretrained": 0.5, "top1@photos/pretrained/weights=own.h5/weights-1234": 0.4}
    section = published_text.section(Report.of(frame.assign(**own, **{"top1@digits/scratch": 0.3})))
    assert section is not None
    block = next(block for block in section.blocks if "accuracy" in block.title)
    published = ("Top-1, published", "Top-5, published")
    assert block.heads == ("Model", *published, "Top-1 photos/pretrained, here")
    assert block.rows[1] == ("MobileNetV2", "71.3 %", "90.1 %", "50.0 %")


def test_four_networks_have_no_section() -> None:
    few = report("MobileNet", "MobileNetV2", "EfficientNetB0", "VGG16")
    assert published.beside(few) is None
    assert published_text.section(few) is None


def test_without_any_published_number_there_is_no_section() -> None:
    book = Book()
    for name in "ABCDEF":
        book.static(name, macs=5).latency(name, 0.01)
    assert published.beside(tables.measured(book.records)) is None
