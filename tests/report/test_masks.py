"""Average precision of masks beside that of boxes, in the section on detectors and its curves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cnnbench.plots import records as curves
from cnnbench.record import Record
from cnnbench.report.sections import detectors
from cnnbench.results import tables
from cnnbench.results.tables import Run
from tests.detectors import CURVE, detector
from tests.records import record

SETTING = {"dataset": "scenes", "task": "instance_segmentation", "image_size": 112}
LABEL = "scenes/scratch/task=instance_segmentation"


def with_masks(model: str, box: float, mask: float) -> Record:
    """Return a record of one network with boxes and masks."""
    (known,) = detector(model, (box,))
    details = known.details
    replicates = {"mask_map": details["replicates"]["box_map"], **details["replicates"]}
    of_class = {**details["class_ap"], "mask_map": [mask + 0.1, mask - 0.1]}
    more = {"mask_curves": {"0.5": {"all": CURVE[::-1]}}}
    changed = {**details, "replicates": replicates, "class_ap": of_class, **more}
    return record(
        model, "accuracy", 0, details=changed, setting=SETTING,
        box_map=box, box_map50=2 * box, mask_map=mask, mask_map50=2 * mask,
    )  # fmt: skip


def run_of(records: list[Record]) -> Run:
    return Run(Path("run"), tables.measured(records), records)


def test_masks_have_tables_of_their_own_beside_the_boxes() -> None:
    found = detectors.section(run_of([with_masks("A", 0.4, 0.3), *detector("B", (0.3,))]))
    assert found is not None
    titles = [block.title for block in found.blocks]
    assert f"Average precision of masks: {LABEL}" in titles
    assert f"Average precision: {LABEL}" in titles
    (masks,) = (block for block in found.blocks if block.title.startswith("Average precision of"))
    assert masks.heads[:3] == ("Model", "Mask AP", "Mask AP50")
    assert [row[0] for row in masks.rows] == ["A"]
    assert masks.rows[0][1].startswith("30.0 %")
    (classes,) = (block for block in found.blocks if block.title.startswith("AP of masks of each"))
    assert classes.rows == (("A", "40.0 %", "20.0 %"),)
    assert "Masks are compared in the pixels" in found.introduction


def test_without_masks_nothing_is_said_about_them() -> None:
    found = detectors.section(run_of(detector("B", (0.3,))))
    assert found is not None
    assert "asks are compared" not in found.introduction
    assert not any("mask" in block.title for block in found.blocks)


def test_curves_of_masks_are_those_of_a_setting_of_their_own() -> None:
    lines = {
        line["setting"]: line["precision"]
        for line in curves.precision_curves([with_masks("A", 0.4, 0.3)], "all")
        if line["of_class"] == "all" and line["iou"] == "0.5"
    }
    assert lines[LABEL] == [1.0, 0.9, 0.5, 0.0]
    assert lines[f"{LABEL}, masks"] == [0.0, 0.5, 0.9, 1.0]


def test_edited_curves_are_left_out() -> None:
    known = with_masks("A", 0.4, 0.3)
    edited = replace(known, details=known.details | {"mask_curves": {"0.5": [1]}})
    settings = {line["setting"] for line in curves.precision_curves([edited], "all")}
    assert settings == {LABEL}
