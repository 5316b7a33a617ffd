"""The tracking probe: settings, sequences, a run with true boxes, a small detector, the section."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cnnbench.models import registry
from cnnbench.probes.interface import Context
from cnnbench.probes.tracking import PROBE
from cnnbench.probes.tracking import run as tracking
from cnnbench.probes.tracking.settings import TrackingSetting, TrackingSpec
from cnnbench.record import Record
from cnnbench.report.sections import tracking as section
from cnnbench.results import tables
from cnnbench.statistics.measurement import OK
from cnnbench.suite import suite as suites
from cnnbench.suite import yaml_source
from cnnbench.suite.plan import plan
from cnnbench.tasks.tracking import footage, track
from tests.probes import small_detectors, small_locators
from tests.records import Book

DETECTOR = registry.resolve("BasicCNN+yolo", [])
TRAINING: dict[str, Any] = {"dataset": "scenes", "epochs": 3}
TRUE = TrackingSetting(tracker="sort[min_hits=1]", detections="truth", sequences=2)


def cells(**spec: Any) -> list[tuple[TrackingSetting, int]]:
    found = TrackingSpec.model_validate(spec).cells(DETECTOR)
    return [(one, rule.at_most) for one, rule in found if isinstance(one, TrackingSetting)]


def needs_trackeval() -> None:
    pytest.importorskip("trackeval", reason="needs the extra tracking")


def test_a_cell_for_each_tracker_and_source_of_boxes() -> None:
    trackers = ["sort[max_age=1]", "bytetrack"]
    found = cells(training=TRAINING, trackers=trackers, detections=["detector", "truth"])
    assert [(one.label(), seeds) for one, seeds in found] == [
        ("sort[max_age=1]/scenes/n20/scenes/scratch/3ep/task=detection", 3),
        ("bytetrack/scenes/n20/scenes/scratch/3ep/task=detection", 3),
        ("sort[max_age=1]/truth/scenes/n20", 1),
        ("bytetrack/truth/scenes/n20", 1),
    ]
    assert found[0][0].tracker == "sort[iou=0.3,max_age=1,min_hits=3,score=0.2]"
    assert found[0][0].label_for("detector_s") == found[1][0].label_for("detector_s")


def test_what_is_not_the_default_is_in_the_label() -> None:
    options = {"dataset": "scenes[objects=2]", "hidden": 0, "nms_iou": 0.5, "score_floor": 0.2}
    ((one, _),) = cells(training=TRAINING, weights="a.weights.h5", **options)
    assert one.label() == (
        "sort/scenes[objects=2]/n20/hidden=0/score_floor=0.2/nms_iou=0.5/weights=a.weights.h5/"
        "scenes/scratch/3ep/task=detection"
    )


def test_true_boxes_are_tracked_once_for_all_detectors() -> None:
    text = """
name: both
models: [BasicCNN+yolo, BasicCNN+ssdlite]
probes:
  tracking:
    training: {dataset: scenes, epochs: 3}
    trackers: [sort, bytetrack]
    detections: [detector, truth]
"""
    found = plan(suites.check(yaml_source.parse(text, "s.yaml"), registry)).cells
    of_truth = [one for one in found if not one.setting.depends_on_model]
    assert [(one.model.label, one.setting.label()) for one in of_truth] == [
        ("BasicCNN+yolo", "sort/truth/scenes/n20"),
        ("BasicCNN+yolo", "bytetrack/truth/scenes/n20"),
    ]
    assert len(found) - len(of_truth) == 4


def test_true_boxes_are_neither_suppressed_nor_of_a_training() -> None:
    both = ["detector", "truth"]
    found = cells(training=TRAINING, detections=both, score_floor=0.05, weights="a.weights.h5")
    assert [seeds for _, seeds in found] == [1, 1]
    assert found[1][0].label() == "sort/truth/scenes/n20"
    assert found[1][0].training is None and found[1][0].weights == ""


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "needs training"),
        ({"training": TRAINING, "trackers": ["srt"]}, "unknown tracker 'srt'"),
        ({"training": TRAINING, "trackers": ["sort[iou=3]"]}, "iou of sort"),
        ({"training": TRAINING, "trackers": ["sort", "sort"]}, "duplicate"),
        ({"detections": "truth", "dataset": "digits"}, "no sequences to track"),
    ],
)
def test_mistakes_are_found_when_planning(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrackingSpec.model_validate(spec)


def test_it_applies_to_detectors() -> None:
    classifier = registry.resolve("LeNet5", [])
    spec = TrackingSpec.model_validate({"detections": "truth"})
    assert spec.serves(DETECTOR) and not spec.serves(classifier)
    (misfit,) = spec.misfits([classifier])
    assert "none of the models is one" in misfit.error.one_line()
    assert list(spec.misfits([classifier, DETECTOR])) == []
    assert spec.serves(registry.resolve("BasicCNN+mask", []))
    listed = spec.model_copy(update={"models": ["LeNet5", "BasicCNN+yolo"]})
    (misfit,) = listed.misfits([classifier, DETECTOR])
    assert misfit.key == ("models", 0)


def test_every_detection_head_is_listed_for_tracking() -> None:
    with_boxes = registry.heads("detection") | registry.heads("instance_segmentation")
    assert registry.heads("tracking") == with_boxes
    tasks = {entry.task for entry in registry.entries(task="tracking")}
    assert tasks == {"detection", "instance_segmentation"}


@pytest.mark.parametrize("tracker", ["sort[min_hits=1]", "bytetrack[min_hits=1]"])
def test_true_boxes_of_objects_that_hide_nothing_are_tracked_without_a_mistake(
    tracker: str, tmp_path: Path
) -> None:
    needs_trackeval()
    options = {"dataset": "scenes[objects=2]", "hidden": 0.0, "sequences": 4}
    setting = TRUE.model_copy(update={"tracker": tracker, **options})
    found = tracking.run(DETECTOR, setting, Context(0, tmp_path, tmp_path))
    assert found.metrics.pop("tracker_s") > 0
    assert found.metrics == {"hota": 1.0, "mota": 1.0, "idf1": 1.0, "id_switches": 0.0}
    assert found.details["frames"] == 4 * 60 and found.details["detections"] == 4 * 60 * 2
    assert [one["objects"] for one in found.details["sequences"]] == [2] * 4
    assert set(found.details["replicates"]["mota"]) == {1_000_000}


@pytest.mark.slow
def test_a_small_detector_is_trained_once_for_all_trackers(tmp_path: Path) -> None:
    needs_trackeval()
    model = small_locators.resolve(small_detectors.NAME, tmp_path)
    training = small_detectors.setting(epochs=1, train_examples=64)
    setting = TrackingSetting(
        tracker="sort", training=training, classes=10, sequences=2,
        dataset="scenes[px=32,objects=2]",
    )  # fmt: skip
    context = Context(0, tmp_path / "cell", tmp_path, search_path=(tmp_path,))
    first = tracking.run(model, setting, context)
    assert first.details["weights"] == "trained here"
    assert first.metrics["detector_s"] > 0 and -1 < first.metrics["mota"] <= 1
    other = setting.model_copy(update={"tracker": "bytetrack[low=0.1,high=0.1,new=0.1]"})
    second = tracking.run(model, other, context)
    assert second.details["weights"] == "trained for another tracker"
    assert second.details["detections"] == first.details["detections"]
    again = tracking.run(model, setting, context)
    assert again.metrics["hota"] == first.metrics["hota"]


def records(book: Book, setting: TrackingSetting, values: list[float]) -> list[Record]:
    """Add a record a seed; HOTA on two resamples is 0.01 below and above its value."""
    for repeat, value in enumerate(values):
        steps = [round((value + side) * 1e6) for side in (-0.01, 0.01)]
        metrics = {"hota": value, "mota": -0.2, "idf1": value, "id_switches": 3.0}
        details: dict[str, object] = {"replicates": dict.fromkeys(metrics, steps)}
        book.record("A", setting, repeat, {**metrics, "tracker_s": 2e-4}, details=details)
    return book.records[-len(values) :]


def test_intervals_are_over_sequences_and_seeds() -> None:
    setting = cells(training=TRAINING)[0][0]
    found = PROBE.summary(records(Book(), setting, [0.5, 0.6, 0.55]), OK)
    hota = found["hota"]
    # Variance over three seeds 0.0025 / 3, over the resamples 0.0002.
    assert hota.value == 0.55 and hota.low is not None and hota.high is not None
    assert hota.high - 0.55 == pytest.approx(0.55 - hota.low)
    assert hota.high - hota.low > 2 * 1.96 * (0.0025 / 3 + 0.0002) ** 0.5
    assert str(hota.verdict) == "stable"
    one = PROBE.summary(records(Book(), setting, [0.5]), OK)["hota"]
    assert one.low == pytest.approx(0.5 - 1.96 * 0.0002**0.5, abs=1e-4)
    assert "one seed" in str(one.verdict)
    assert found["mota"].low is not None and found["mota"].low < 0


def test_the_section_sets_detectors_beside_the_true_boxes(tmp_path: Path) -> None:
    book = Book()
    for setting, _ in cells(
        training=TRAINING, trackers=["sort", "bytetrack"], detections=["detector", "truth"]
    ):
        records(book, setting, [0.98] if setting.detections == "truth" else [0.5, 0.6])
    text = section.section(tables.load(book.write(tmp_path / "run")))
    assert text is not None
    (block,) = text.blocks
    assert [row[:2] for row in block.rows] == [
        ("A", "sort"), ("A", "bytetrack"), ("true boxes", "sort"), ("true boxes", "bytetrack"),
    ]  # fmt: skip
    assert block.rows[0][2].startswith("55.0 %") and block.rows[2][2].startswith("98.0 %")
    assert "most errors come from the detector" in text.notes[0]


def test_a_tracker_without_a_mistake_is_not_the_cause_of_few(tmp_path: Path) -> None:
    book = Book()
    for setting, _ in cells(training=TRAINING, detections=["detector", "truth"]):
        records(book, setting, [1.0] if setting.detections == "truth" else [0.97])
    text = section.section(tables.load(book.write(tmp_path / "run")))
    assert text is not None
    assert "most errors come from the detector" in text.notes[0]


def test_two_trainings_of_a_detector_are_told_apart(tmp_path: Path) -> None:
    book = Book()
    for epochs in (3, 4):
        records(book, cells(training=TRAINING | {"epochs": epochs})[0][0], [0.5])
    text = section.section(tables.load(book.write(tmp_path / "run")))
    assert text is not None
    assert [row[0] for row in text.blocks[0].rows] == [
        f"A (scenes/n20/scenes/scratch/{epochs}ep/task=detection)" for epochs in (3, 4)
    ]


def test_tracks_of_true_boxes_are_those_of_the_probe() -> None:
    (one,) = footage.load("scenes[objects=1]", 1)
    from cnnbench.tasks.tracking import Detections

    found = track([Detections(frame.boxes) for frame in one.truth], "sort[min_hits=1]")
    assert [frame.ids.tolist() for frame in found] == [[1]] * 60
