"""The tracking probe: settings, sequences, a run with true boxes, a small detector, the section."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from cnnbench.errors import JobFailed, Unavailable, UserError
from cnnbench.models import registry
from cnnbench.probes.interface import Context
from cnnbench.probes.tracking import PROBE
from cnnbench.probes.tracking import run as tracking
from cnnbench.probes.tracking.settings import TrackingSetting, TrackingSpec
from cnnbench.record import Record
from cnnbench.report.sections import tracking as section
from cnnbench.results import tables
from cnnbench.statistics.measurement import OK
from cnnbench.tasks.tracking import Tracks, footage, mot, track
from cnnbench.tasks.tracking.detector import separate
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
    listed = spec.model_copy(update={"models": ["LeNet5", "BasicCNN+yolo"]})
    (misfit,) = listed.misfits([classifier, DETECTOR])
    assert misfit.key == ("models", 0)


def test_every_detection_head_is_listed_for_tracking() -> None:
    assert registry.heads("tracking") == registry.heads("detection") != {}
    assert {entry.task for entry in registry.entries(task="tracking")} == {"detection"}


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


def test_sequences_that_hide_too_much_are_passed_over() -> None:
    some = footage.load("scenes[objects=2]", 3, hidden=0.0)
    every = {one.name for one in footage.load("scenes[objects=2]", 12)}
    assert len({one.name for one in some}) == 3 and len(every) == 12
    with pytest.raises(JobFailed, match="only 0 of 200 sequences"):
        footage.load("scenes[objects=20,px=32]", 1, hidden=0.0)
    with pytest.raises(UserError, match="no parameter 'size'"):
        footage.recipe_of("scenes[size=3]")


def folder_of(root: Path, pictures: int = 3) -> Path:
    """Write a folder in the layout of the MOTChallenge, with one sequence."""
    place = root / "own" / "walk"
    (place / "gt").mkdir(parents=True)
    (place / "img1").mkdir()
    boxes = [Tracks([1], [[4.0, 2.0 * t, 20.0, 2.0 * t + 16]]) for t in range(3)]
    mot.write_tracks(place / "gt" / "gt.txt", boxes)
    for number in range(pictures):
        Image.new("RGB", (48, 32)).save(place / "img1" / f"{number + 1:06}.jpg")
    return root


def test_a_folder_in_the_layout_of_the_motchallenge(tmp_path: Path) -> None:
    root = folder_of(tmp_path)
    (one,) = footage.load("folder:own", 5, search_path=(root,))
    assert (one.name, len(one), len(one.truth)) == ("walk", 3, 3)
    image, place = one.fitted(0, (16, 16, 1), "stretch")
    assert image.shape == (16, 16, 1) and place.picture == (32, 48)
    spec = TrackingSpec.model_validate({"detections": "truth", "dataset": "folder:own"})
    (found, _) = next(spec.located([root], None).cells(DETECTOR))
    assert isinstance(found, TrackingSetting) and len(found.dataset_sha256) == 64
    with pytest.raises(Unavailable, match="no folder 'other'"):
        footage.load("folder:other", 5, search_path=(root,))


def test_a_truth_with_more_frames_than_pictures_is_refused(tmp_path: Path) -> None:
    root = folder_of(tmp_path, pictures=2)
    with pytest.raises(UserError, match="names frame 3, but img1 has 2 pictures"):
        footage.load("folder:own", 1, search_path=(root,))


def test_a_sequence_without_objects_and_pictures_is_refused(tmp_path: Path) -> None:
    root = folder_of(tmp_path, pictures=0)
    (root / "own" / "walk" / "gt" / "gt.txt").write_text("1,1,2,3,4,5,0\n")
    with pytest.raises(UserError, match="no true objects"):
        footage.load("folder:own", 1, search_path=(root,))


def test_boxes_of_other_classes_are_suppressed_too() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 1, 10, 11], [0, 20, 10, 30], [0, 40, 10, 50]], float)
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.5], [0.05, 0.04]])
    found = separate(boxes, scores, floor=0.1, iou=0.4)
    assert found.boxes[:, 1].tolist() == [0, 20]
    assert found.scores.tolist() == [0.9, 0.5] and found.labels.tolist() == [0, 1]
    assert len(separate(boxes, scores, 0.1, 0.9)) == 3


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
