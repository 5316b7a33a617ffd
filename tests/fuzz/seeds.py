"""Valid inputs, and some malicious ones, from which mutated inputs are made."""

from __future__ import annotations

import json

from cnnbench.record import Record
from cnnbench.results import csv_files, tables
from cnnbench.results.journal import Header
from tests.conftest import ROOT
from tests.records import record

SUITES = [file.read_bytes() for file in sorted((ROOT / "suites").glob("*.yaml"))]
SUITES.append(
    b"name: s\nmodels:\n  - {grid: MobileNetV2, alpha: [0.35, 0.5], input_shape: [96, 128]}\n"
    b"  - 'EfficientNetLite{0..4}'\nprobes: {static: {models: ['EfficientNetLite{0,2}']}}\n"
)
BOMB = b"a: &a [x, x]\n" + b"".join(
    b"b%d: &b%d [*%s, *%s]\n" % (i, i, name, name)
    for i, name in enumerate([b"a", *(b"b%d" % i for i in range(30))])
)
# Every key twice, so that a limit on paths alone does not suffice.
TWIN_BOMB = b"a0: &a0 {x: 1, x: 1}\n" + b"".join(
    b"a%d: &a%d {x: *a%d, x: *a%d}\n" % (i, i, i - 1, i - 1) for i in range(1, 31)
)
ODD_SUITES = [
    *(BOMB, BOMB + SUITES[0], TWIN_BOMB, TWIN_BOMB + SUITES[0]),
    *(b"a: &a {<<: *a}\n", b"[" * 3000, b"? [a]\n: b\n"),
]
NAMES = [
    "MobileNetV2[alpha=0.5,input_shape=128x128x3]", "lenet-5", "nets:net", "nets.py:net[classes=3]",
    "LeNet5[modern=true]+box[classes=3]", "network.keras", "ResNet50[weights='a, b']",
    "EfficientNetB0[classifier_activation=none]", "MobileNetV2[alpha={0.35,0.5},input_shape=96]",
    "EfficientNetLite{0..4}", "BasicCNN+{yolo,ssdlite[classes={3,7}]}",
]  # fmt: skip
EXPRESSIONS = [
    "latency_p90@cpu/litert/b1=20ms", "file=10MB", "top1=90%", "params=4M", "latency_p50_s=1.5s",
    "memory_infer_peak_bytes@b8=1GiB", "macs=300000",
]  # fmt: skip


def some_records() -> list[Record]:
    """Return a record of every probe."""
    timed = {"latency_location_s": 0.01, "latency_p50_s": 0.01, "reference_s": 0.001}
    accuracy = {"dataset": "digits", "image_size": 32}
    return [
        record("A", "static", params=10, macs=5, activation_infer_peak_bytes=4.0),
        record("B", "static", status="oom", reason="out of memory: signal 9"),
        record("A", "memory", setting={"batch_size": 8}, memory_infer_peak_bytes=1e6),
        *(
            record("A", "latency", repeat, samples={"latency_s": [0.01] * 12},
                   details={"precision": 0.05, "flags": ["drifting: +14 %"]}, **timed)
            for repeat in range(3)
        ),
        record("A", "latency", "prepare", file_bytes=100),
        record("A", "accuracy", setting=accuracy, top1=0.9, top5=1.0,
               details={"n_test": 360, "chance": 0.1, "n_problems": 1, "problems": ["a: damaged"],
                        "curve": [{"loss": 0.5, "top1": 0.9, "seconds": 1.0}]}),
        record("A", "memory", setting={"batch_size": 1}, memory_infer_peak_bytes=1e6,
               samples={"timeline_s": [0.0, 1.0], "timeline_bytes": [1e6, 2e6]},
               details={"phases": [["opened", 0.5]], "cell_limit_s": 60}),
    ]  # fmt: skip


HEADER = Header(plan="p", environment="e", cnnbench="0").to_json()
RECORDS = [json.loads(each.to_json()) for each in some_records()]
JOURNAL = "\n".join([HEADER, *map(json.dumps, RECORDS)]).encode() + b"\n"
SMALL = csv_files.to_csv(tables.report(some_records())).encode()
PUBLISHED = [
    file.read_bytes() for file in sorted((ROOT / "results/published").glob("*/report.csv"))
]
ENVIRONMENTS = [
    file.read_bytes() for file in sorted((ROOT / "results/published").glob("*/environment.json"))
]
