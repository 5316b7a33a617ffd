"""The section on segmentation: numbers by class, confusions, heads on one backbone, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench.record import Record
from cnnbench.report.sections import segmentation
from cnnbench.report.sections.section import Section
from cnnbench.results import tables
from cnnbench.results.tables import Run
from cnnbench.selection.compare import compare
from cnnbench.tasks.resampled_task import STEPS
from tests.records import record

LABEL = "scenes/scratch/task=segmentation"
TRUNK = "BasicCNN[width=0.5]"
CONFUSION = [[800, 50, 50], [20, 70, 10], [0, 0, 100]]


def details(value: float, images: str = "same") -> dict[str, Any]:
    """Return the details of an evaluation with this mean IoU."""
    noise = np.random.default_rng(0).normal(0, 0.01, 200)
    replicates = np.clip(np.rint((value + noise) * STEPS), 0, STEPS).astype(int).tolist()
    return {
        "n_test": 2000,
        "chance": 0.05,
        "chances": {"segmentation_miou": 0.05},
        "replicates": {"segmentation_miou": replicates},
        "test_pixels_sha256": images,
        "classes": ["background", "cat", "dog"],
        "class_pixels": [900, 100, 100],
        "class_iou": {"segmentation_miou": [0.9, value, None], "boundary_iou": [0.5, 0.4, None]},
        "pixel_confusion": CONFUSION,
    }


def segmenter(model: str, values: Sequence[float], **given: Any) -> list[Record]:
    """Return one record per seed; ``given`` are arguments of `details`."""
    setting = {"dataset": "scenes", "task": "segmentation", "image_size": 112}
    return [
        record(
            model,
            "accuracy",
            seed,
            details=details(value, **given),
            setting=setting,
            segmentation_miou=value,
            pixel_accuracy=0.9,
            boundary_iou=value / 2,
        )
        for seed, value in enumerate(values)
    ]


def run_of(records: list[Record]) -> Run:
    return Run(Path("run"), tables.measured(records), records)


def section_of(records: list[Record]) -> Section:
    found = segmentation.section(run_of(records))
    assert found is not None
    return found


def test_numbers_classes_and_confusions() -> None:
    found = section_of([*segmenter("UNet", (0.5, 0.6)), *segmenter("FCN8s", (0.3, 0.3))])
    numbers, classes = found.blocks
    assert numbers.title == f"Overlap of the classes: {LABEL}"
    assert numbers.heads == ("Model", "mIoU", "Pixel accuracy", "Boundary IoU")
    assert [row[0] for row in numbers.rows] == ["UNet", "FCN8s"]
    assert numbers.rows[0][1].startswith("55.0 % (")
    assert classes.heads == ("Model", "background", "cat", "dog")
    assert classes.rows[0] == ("UNet", "90.0 %", "55.0 %", "")
    assert found.notes[0] == (
        "UNet: cat as background (20.0 %), cat as dog (10.0 %), background as cat (5.6 %)"
    )


def test_heads_on_the_same_backbone_and_what_skips_add() -> None:
    records = [
        *segmenter(f"{TRUNK}+fcn32s[classes=11]", (0.1, 0.12)),
        *segmenter(f"{TRUNK}+fcn8s[classes=11,input_shape=112x112x1]", (0.5, 0.52)),
        *segmenter(f"{TRUNK}+unet[classes=11,width=16]", (0.4, 0.42)),
        *segmenter("MobileNetV2+fcn8s[classes=11]", (0.3, 0.3)),
    ]
    found = section_of(records)
    block = found.blocks[-1]
    assert block.heads == ("Backbone", "+fcn32s", "+fcn8s", "+unet[width=16]")
    ((backbone, *cells),) = block.rows
    assert backbone == TRUNK
    assert [cell.rpartition(" ")[2] for cell in cells] == ["(3)", "(1)", "(2)"]
    assert found.notes[-1] == (
        f"{TRUNK}: +fcn8s has +40.0 points of mIoU against +fcn32s, which has no skips"
    )


@pytest.mark.parametrize(
    "edit",
    [{"pixel_confusion": [[1]]}, {"pixel_confusion": "x"}, {"class_iou": {"other": 1}},
     {"classes": "cat"}, {"class_pixels": None}, {"pixel_confusion": [[-1] * 3] * 3}],
)  # fmt: skip
def test_edited_details_are_left_out(edit: dict[str, Any]) -> None:
    edited = [replace(one, details=one.details | edit) for one in segmenter("UNet", (0.4, 0.5))]
    found = section_of(edited)
    assert found.blocks[0].rows[0][0] == "UNet"
    assert found.notes == () or "pixel_confusion" not in edit


def test_a_bare_table_has_the_numbers_alone() -> None:
    table = run_of(segmenter("UNet", (0.4, 0.5))).measured
    found = segmentation.section(Run(Path("report.csv"), table))
    assert found is not None and len(found.blocks) == 1
    assert segmentation.section(run_of([record("A", "static", macs=5.0)])) is None


def test_networks_are_ranked_in_tiers_by_mean_iou() -> None:
    records = [*segmenter("A", (0.3, 0.31)), *segmenter("B", (0.5, 0.51)), *segmenter("C", (0.05,))]
    report = run_of(records).measured
    tiers = {row.name: row.get(f"segmentation_miou_tier@{LABEL}").value for row in report}
    assert tiers == {"A": 2, "B": 1, "C": None}, "C is not above chance"


def test_two_runs_are_compared_by_mean_iou() -> None:
    before, after = (run_of(segmenter("A", values)) for values in ((0.5, 0.51), (0.3, 0.31)))
    found = compare(before.measured, after.measured, metrics=["segmentation_miou"])
    (row,) = found.rows
    assert row.base == pytest.approx(0.505) and row.new == pytest.approx(0.305)
    assert found.regressions
