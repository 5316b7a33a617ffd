"""Sequences to track objects in, their mistakes, and the boxes that a detector finds in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnbench.errors import JobFailed, Unavailable, UserError, UserErrors
from cnnbench.models import registry
from cnnbench.probes.tracking.settings import TrackingSetting, TrackingSpec
from cnnbench.suite import suite as suites
from cnnbench.suite import yaml_source
from cnnbench.suite.plan import plan
from cnnbench.tasks.instance_segmentation.objective import InstanceObjective
from cnnbench.tasks.instance_segmentation.outputs import of_detector
from cnnbench.tasks.tracking import Tracks, footage, mot
from cnnbench.tasks.tracking.detector import FrameDetector, separate
from tests.probes import small_masks


@pytest.mark.slow
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
    detector = registry.resolve("BasicCNN+yolo", [])
    spec = TrackingSpec.model_validate({"detections": "truth", "dataset": "folder:own"})
    (found, _) = next(spec.located([root], None).cells(detector))
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


def test_mistakes_in_true_objects_are_reported_when_planning(tmp_path: Path) -> None:
    root = folder_of(tmp_path)
    for name, line in (("run", "1,1,0,0,five,5,1"), ("stand", "1,7,0,0,5,5\n1,7,0,0,5,5")):
        (root / "own" / name / "gt").mkdir(parents=True)
        (root / "own" / name / "gt" / "gt.txt").write_text(f"1,1,0,0,5,5\n{line}\n")
    text = """
name: own
models: [BasicCNN+yolo]
probes:
  tracking:
    - {dataset: "folder:own", detections: truth, trackers: [sort]}
    - {dataset: "folder:own", detections: detector, training: {dataset: scenes}, sequences: 1}
"""
    suite = suites.check(yaml_source.parse(text, "s.yaml"), registry, (root,))
    with pytest.raises(UserErrors) as caught:
        plan(suite)
    lines = [one.one_line() for one in caught.value.errors]
    assert [line.partition("own/")[2] for line in lines] == [
        "run/gt/gt.txt, line 2: width 'five' is not a number",
        "stand/gt/gt.txt, line 3: frame 1 has the id 7 twice",
        "run/gt/gt.txt, line 2: width 'five' is not a number",
    ]


def test_frames_for_a_detector_need_pictures(tmp_path: Path) -> None:
    root = folder_of(tmp_path, pictures=0)
    footage.check("folder:own", 5, (root,), is_detected=False)
    with pytest.raises(UserError, match=r"own/walk: no pictures in img1"):
        footage.check("folder:own", 5, (root,), is_detected=True)
    footage.check("folder:other", 5, (root,), is_detected=True)


@pytest.mark.parametrize("detector", ["yolo", "retina"])
def test_boxes_of_a_network_with_masks_are_those_of_its_detector(detector: str) -> None:
    network = small_masks.network(detector)
    objective = small_masks.setting().objective(["a", "b", "c"])
    assert isinstance(objective, InstanceObjective)
    (one,) = footage.load("scenes[px=32,objects=2]", 1)
    found = FrameDetector(network, objective, lambda x: x / 255, "stretch", 0.0, 0.9).detect(one)
    assert len(found) == 60 and all(len(frame) for frame in found)
    images = np.stack([one.fitted(frame, (32, 32, 1), "stretch")[0] for frame in range(30)])
    coder = objective.coder(objective.encoding(network))
    boxes, scores = coder.decoded(of_detector(network.predict_on_batch(images / np.float32(255))))
    first = separate(np.asarray(boxes)[0] * 32, np.asarray(scores)[0], 0.0, 0.9)
    np.testing.assert_allclose(found[0].boxes, first.boxes, atol=1e-3)


def test_boxes_of_other_classes_are_suppressed_too() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 1, 10, 11], [0, 20, 10, 30], [0, 40, 10, 50]], float)
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.5], [0.05, 0.04]])
    found = separate(boxes, scores, floor=0.1, iou=0.4)
    assert found.boxes[:, 1].tolist() == [0, 20]
    assert found.scores.tolist() == [0.9, 0.5] and found.labels.tolist() == [0, 1]
    assert len(separate(boxes, scores, 0.1, 0.9)) == 3
