"""Average precision of masks, equal to pycocotools' on the same masks, and masks in pixels."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as run_lengths
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cnnbench.data import loading
from cnnbench.data.annotations import NO_OBJECT
from cnnbench.data.datasets import Request
from cnnbench.errors import JobFailed
from cnnbench.tasks.detection import average_precision as ap
from cnnbench.tasks.instance_segmentation import INSTANCE_SEGMENTATION, quality
from cnnbench.tasks.instance_segmentation.masks import pasted
from cnnbench.tasks.task import Contender
from tests.tasks.coco_oracle import Named, made, near

NAMES = ("A", "B", "C", "D", "E")  # the last has no objects
PLACES = {"mask_map": 0, "mask_map50": 1, "mask_map75": 2, "mask_map_small": 3,
          "mask_map_medium": 4, "mask_map_large": 5, "mask_ar100": 8}  # fmt: skip
SIDE = 14


def drawn(truth: Named, size: tuple[int, int]) -> Named:
    """Return ``truth`` with the pixels of its objects: ellipses in their boxes, later on top."""
    count, rows = truth["labels"].shape
    instances = np.zeros((count, *size), np.uint8)
    y, x = (np.arange(side)[:, None] + 0.5 for side in size)
    for image in range(count):
        for row in range(rows):
            if truth["labels"][image, row] != NO_OBJECT:
                top, left, bottom, right = truth["boxes"][image, row]
                down = (y / size[0] - (top + bottom) / 2) / max((bottom - top) / 2, 1e-6)
                across = (x.T / size[1] - (left + right) / 2) / max((right - left) / 2, 1e-6)
                instances[image][down**2 + across**2 <= 1] = row + 1
    return truth | {"instances": instances}


def with_masks(answers: Named, seed: int) -> Named:
    """Return answers with noisy round masks."""
    random = np.random.default_rng(seed)
    place = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    round_mask = (
        1.3
        - np.hypot(place[:, None], place)
        + random.normal(0, 0.2, (*answers["labels"].shape, SIDE, SIDE))
    )
    return answers | {"masks": (255 * np.clip(round_mask, 0, 1)).astype(np.uint8)}


def oracle(answers: Named, truth: Named, classes: int) -> np.ndarray:
    """Return the twelve numbers of pycocotools for the masks."""
    count, height, width = truth["instances"].shape
    shared: dict[str, Any] = {
        "images": [{"id": one, "height": height, "width": width} for one in range(count)],
        "categories": [{"id": label} for label in range(classes)],
    }
    found: list[list[dict[str, Any]]] = [[], []]
    for image in range(count):
        scale = float(truth["spans"][image].prod()) / (height * width)
        masks = pasted(answers["boxes"][image], answers["masks"][image], (height, width))
        for row, label in enumerate(truth["labels"][image]):
            flags = [bool(truth[name][image, row]) for name in ("ignored", "crowd")]
            pixels = truth["instances"][image] == row + 1
            _append(found[0], image, label, pixels, scale, iscrowd=int(flags[1]), other=flags[0])
        for row, label in enumerate(answers["labels"][image]):
            score = float(answers["scores"][image, row])
            _append(found[1], image, label, masks[row], scale, score=score)
    indices = []
    for entries in found:
        index = COCO()
        index.dataset = shared | {"annotations": entries}
        indices.append(index)
    with contextlib.redirect_stdout(io.StringIO()):
        for index in indices:
            index.createIndex()
        evaluation = _Evaluation(*indices, "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return np.asarray(evaluation.stats)


class _Evaluation(COCOeval):
    """Ignores what is marked as difficult, too."""

    def _prepare(self) -> None:
        super()._prepare()
        for objects in self._gts.values():
            for one in objects:
                one["ignore"] = one["ignore"] or one["other"]


def _append(
    found: list[dict[str, Any]], image: int, label: int, pixels: Any, scale: float, **others: Any
) -> None:
    if label == NO_OBJECT:
        return
    outline = run_lengths.encode(np.asfortranarray(pixels.astype(np.uint8)))
    entry = {"id": len(found) + 1, "image_id": image, "category_id": int(label)}
    area = float(pixels.sum()) * scale
    found.append(entry | {"segmentation": outline, "area": area, "bbox": [0, 0, 1, 1]} | others)


def assert_equals_the_oracle(answers: Named, truth: Named, names: tuple[str, ...]) -> None:
    stats = oracle(answers, truth, len(names))
    found = quality.evaluate(answers, truth, names)
    both = quality.of_masks(answers, truth)
    once = np.ones((1, len(truth["labels"])), np.int64)
    ours = ap.summary(both.found, both.truth, len(names), once, "mask", both.near)
    assert stats[0] > 0
    for name, place in PLACES.items():
        if stats[place] < 0:
            assert name not in found.metrics
        else:
            assert found.metrics[name] == pytest.approx(stats[place], abs=1e-6), name
            assert ours[name][0] == pytest.approx(stats[place], abs=1e-6), name


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("flags", [False, True])
def test_equals_pycocotools(seed: int, flags: bool) -> None:
    answers, truth = made(seed, flags=flags)
    assert_equals_the_oracle(with_masks(answers, seed), drawn(truth, (60, 80)), NAMES)


@pytest.mark.slow
def test_equals_pycocotools_on_real_nuclei(data_dir: Path) -> None:
    folder = data_dir / "annotated" / "dsb2018_nuclei"
    if not folder.is_dir():
        pytest.skip(f"no data: {folder} does not exist")
    request = Request(f"folder:{folder}", 96, 3, train_examples=2, fit="stretch")
    part = loading.load(request).test
    assert part.objects is not None
    truth = part.objects.arrays() | {"spans": part.objects.spans_or_sizes()}
    assert truth["labels"].shape[0] > 5
    truth["crowd"] = np.zeros(truth["labels"].shape, np.bool_)
    answers = near(truth, np.random.default_rng(0), 80, 1, places=3)
    assert_equals_the_oracle(with_masks(answers, 0), truth, ("nucleus",))


def test_boxes_of_the_same_answers_are_judged_beside_the_masks() -> None:
    answers, truth = made(0, flags=False)
    found = quality.evaluate(with_masks(answers, 0), drawn(truth, (60, 80)), NAMES)
    assert {"mask_map", "box_map", "mask_map50", "box_map50", "box_ap50_voc07"} <= set(
        found.metrics
    )
    replicates = found.details["replicates"]
    assert len(replicates["mask_map"]) == len(replicates["box_map"]) == 200
    assert replicates["mask_map"] != replicates["box_map"]
    assert found.details["chances"]["mask_map"] == found.details["chance"]
    assert 0 <= found.details["chance"] < found.metrics["mask_map"]
    judged = INSTANCE_SEGMENTATION.judge(Contender([found]))
    for name in ("mask_map", "box_map"):
        assert judged[name].low < found.metrics[name] < judged[name].high


def test_perfect_masks_have_a_precision_of_one() -> None:
    labels = np.array([[0, 1, NO_OBJECT]])
    boxes = np.array([[[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0, 0, 0, 0]]], np.float32)
    instances = np.zeros((1, 8, 8), np.uint8)
    instances[0, :4, :4], instances[0, 4:, 4:] = 1, 2
    truth = {"labels": labels, "boxes": boxes, "instances": instances}
    truth["spans"] = np.array([[8.0, 8.0]], np.float32)
    scores = np.array([[0.9, 0.8, 0.0]], np.float32)
    masks = np.full((1, 3, 4, 4), 255, np.uint8)
    answers = {"labels": labels, "boxes": boxes, "scores": scores, "masks": masks}
    assert quality.evaluate(answers, truth, ("A", "B")).metrics["mask_map"] == 1.0
    masks[0, 0, :, :2] = 0  # half of the first object
    found = quality.evaluate(answers, truth, ("A", "B")).metrics
    assert found["box_map"] == 1.0
    assert found["mask_map50"] == 1.0  # an IoU of exactly one half counts
    assert found["mask_map75"] == 0.5


def test_masks_that_are_not_finite_are_refused_beside_finite_boxes() -> None:
    labels = np.array([[0]])
    boxes = np.array([[[0, 0, 0.5, 0.5]]], np.float32)
    instances = np.zeros((1, 8, 8), np.uint8)
    instances[0, :4, :4] = 1
    spans = np.array([[8.0, 8.0]], np.float32)
    truth = {"labels": labels, "boxes": boxes, "instances": instances, "spans": spans}
    masks = np.ones((1, 1, 4, 4), np.float32)
    answers = {"labels": labels, "boxes": boxes, "masks": masks}
    answers["scores"] = np.array([[0.9]], np.float32)
    assert quality.evaluate(answers, truth, ("A",)).metrics["mask_map"] == 1.0
    masks[0, 0, 3, 3] = np.nan
    with pytest.raises(JobFailed, match="its masks are not finite"):
        quality.evaluate(answers, truth, ("A",))


def test_a_pixel_belongs_to_a_mask_by_its_centre() -> None:
    random = np.random.default_rng(3)
    boxes = np.array([[-0.2, 0.1, 0.6, 0.9], [0.3, 0.31, 0.33, 1.4], [0.5, 0.5, 0.5, 0.5]])
    masks = random.integers(0, 256, (3, 5, 7)).astype(np.uint8)
    found = pasted(boxes, masks, (20, 30))
    assert not found[2].any(), "a box of no area has no pixels"
    for box, mask, ours in zip(boxes[:2], masks[:2], found[:2], strict=True):
        for y in range(20):
            for x in range(30):
                down = ((y + 0.5) / 20 - box[0]) / (box[2] - box[0])
                right = ((x + 0.5) / 30 - box[1]) / (box[3] - box[1])
                is_inside = 0 <= down <= 1 and 0 <= right <= 1
                value = _bilinear(mask, down * 5 - 0.5, right * 7 - 0.5) if is_inside else 0.0
                if abs(value - 127.5) > 1e-3:
                    assert ours[y, x] == (value >= 127.5)


def _bilinear(mask: np.ndarray, y: float, x: float) -> float:
    y, x = np.clip(y, 0, mask.shape[0] - 1), np.clip(x, 0, mask.shape[1] - 1)
    low, left = int(y), int(x)
    high, right = min(low + 1, mask.shape[0] - 1), min(left + 1, mask.shape[1] - 1)
    above = (1 - (x - left)) * float(mask[low, left]) + (x - left) * float(mask[low, right])
    below = (1 - (x - left)) * float(mask[high, left]) + (x - left) * float(mask[high, right])
    return float((1 - (y - low)) * above + (y - low) * below)
