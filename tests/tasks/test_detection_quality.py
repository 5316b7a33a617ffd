"""Average precision, equal to pycocotools' and, for small sets, computed by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.errors import JobFailed
from cnnbench.tasks.detection import average_precision as ap
from cnnbench.tasks.detection import matching, mistakes, quality
from tests.tasks.coco_oracle import Named, made, near, oracle

NAMES = ("A", "B", "C", "D", "E")  # the last has no objects
# In pycocotools' order.
SUMMARY = {"box_map": 0, "box_map50": 1, "box_map75": 2, "box_map_small": 3, "box_map_medium": 4,
           "box_map_large": 5, "box_ar100": 8}  # fmt: skip


def of_weights(answers: Named, truth: Named, weights: np.ndarray, classes: int = 5) -> np.ndarray:
    """Return the mean over the classes, ``(thresholds, resamples)``."""
    objects = matching.read_truth(truth)
    scored = ap.by_class(matching.read_answers(answers, truth), objects, classes)
    return ap.over_classes([ap.weighted(one, weights) for one in scored])


def assert_equals_the_oracle(answers: Named, truth: Named, names: tuple[str, ...]) -> None:
    stats, precision = oracle(answers, truth, len(names))
    found = quality.evaluate(answers, truth, names)
    for name, place in SUMMARY.items():
        if stats[place] < 0:
            assert name not in found.metrics
        else:
            assert found.metrics[name] == pytest.approx(stats[place], abs=1e-6), name
    once = np.ones((1, len(truth["labels"])), np.int64)
    given = matching.read_answers(answers, truth), matching.read_truth(truth)
    ours = {name: one[0] for name, one in ap.summary(*given, len(names), once).items()}
    assert ours == pytest.approx(
        {name: stats[place] for name, place in SUMMARY.items() if stats[place] >= 0}, abs=1e-6
    )
    known = precision[:, 0].max(axis=0) > -1
    levels = of_weights(answers, truth, once, len(names))[:, 0]
    assert levels == pytest.approx(precision[..., known].mean(axis=(1, 2)), abs=1e-6)
    of_class = found.details["class_ap"]["box_map"]
    for label, value in enumerate(of_class):
        expected = precision[..., label].mean() if known[label] else None
        assert value == (None if expected is None else pytest.approx(expected, abs=1e-6))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("flags", [False, True])
def test_equals_pycocotools(seed: int, flags: bool) -> None:
    assert_equals_the_oracle(*made(seed, flags=flags), NAMES)


def test_equals_pycocotools_beyond_a_hundred_detections_of_a_class() -> None:
    answers, truth = made(5, images=8, most=260, objects=5, classes=1)
    assert (answers["labels"] != NO_OBJECT).sum(axis=1).max() > 2 * matching.MOST
    assert_equals_the_oracle(answers, truth, ("A", "B"))


def test_equals_pycocotools_without_ties() -> None:
    assert_equals_the_oracle(*made(6, places=8), NAMES)


def cells(folder: Path) -> Named:
    content = json.loads((folder / "instances_test.json").read_text())
    ids = {one["id"]: row for row, one in enumerate(content["images"])}
    spans = np.array([(one["height"], one["width"]) for one in content["images"]], np.float32)
    rows: list[list[tuple[int, list[float]]]] = [[] for _ in ids]
    for one in content["annotations"]:
        row = ids[one["image_id"]]
        height, width = spans[row]
        x, y, w, h = one["bbox"]
        box = [y / height, x / width, (y + h) / height, (x + w) / width]
        rows[row].append((one["category_id"] - 1, box))
    return padded(rows, spans)


def nuclei(folder: Path) -> Named:
    rows, spans = [], []
    for file in sorted((folder / "masks").iterdir())[:60]:
        values = np.asarray(Image.open(file))
        height, width = values.shape
        found = []
        for number in np.unique(values[values > 0]):
            down, across = (np.flatnonzero((values == number).any(axis=axis)) for axis in (1, 0))
            edges = down[0], across[0], down[-1] + 1, across[-1] + 1
            found.append((0, list(np.array(edges) / (height, width, height, width))))
        rows.append(found)
        spans.append((height, width))
    return padded(rows, np.array(spans, np.float32))


def padded(rows: list[list[tuple[int, list[float]]]], spans: np.ndarray) -> Named:
    most = max(map(len, rows))
    labels = np.full((len(rows), most), NO_OBJECT)
    boxes = np.zeros((len(rows), most, 4), np.float32)
    for image, objects in enumerate(rows):
        for row, (label, box) in enumerate(objects):
            labels[image, row], boxes[image, row] = label, box
    return {"labels": labels, "boxes": boxes, "spans": spans}


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "read", "names"),
    [("bccd", cells, ("RBC", "WBC", "Platelets")), ("dsb2018_nuclei", nuclei, ("nucleus",))],
)
def test_equals_pycocotools_on_real_pictures(
    name: str, read: object, names: tuple[str, ...], data_dir: Path
) -> None:
    folder = data_dir / "annotated" / name
    if not folder.is_dir():
        pytest.skip(f"no data: {folder} does not exist")
    truth = read(folder)  # type: ignore[operator]
    answers = near(truth, np.random.default_rng(0), 100, len(names), places=3)
    assert_equals_the_oracle(answers, truth, names)


def test_a_weight_counts_an_image_several_times() -> None:
    answers, truth = made(7, images=12, places=8)  # copies of equal scores would mix
    weights = np.random.default_rng(0).integers(0, 4, (3, 12))
    found = of_weights(answers, truth, weights)
    for row, of_row in enumerate(weights):
        copies = np.repeat(np.arange(12), of_row)
        some = [{name: values[copies] for name, values in one.items()} for one in (answers, truth)]
        _, precision = oracle(some[0], some[1], 5)
        known = precision[0, 0] > -1
        expected = precision[..., known].mean(axis=(1, 2))
        assert found[:, row] == pytest.approx(expected, abs=1e-6)


def test_the_resamples_depend_on_nothing_but_the_number_of_images() -> None:
    drawn = ap.resamples(50, 4)
    assert (drawn.sum(axis=1) == 50).all()
    assert drawn[0, :8].tolist() == ap.resamples(50, 2)[0, :8].tolist()


def one_image(objects: list[tuple[int, list[float]]], **flags: list[bool]) -> Named:
    """Return the truth of one picture of 100 by 100 px."""
    found = padded([objects], np.array([(100, 100)], np.float32))
    return found | {name: np.array([rows]) for name, rows in flags.items()}


def said(*rows: tuple[int, float, list[float]]) -> Named:
    """Return answers for one picture: class, score and box."""
    labels, scores, boxes = zip(*rows, strict=True)
    return {
        "labels": np.array([labels]),
        "scores": np.array([scores], np.float32),
        "boxes": np.array([boxes], np.float32),
    }


SQUARE = [0.1, 0.1, 0.5, 0.5]
ELSEWHERE = [0.6, 0.6, 0.9, 0.9]
HALF = [0.1, 0.1, 0.5, 0.34]  # IoU 0.6 with the square
THIRD = [0.1, 0.3, 0.5, 0.7]  # IoU 1/3 with it


def test_by_hand() -> None:
    """One object of two is found, first; then a box beside nothing, then one with an IoU of 0.6."""
    truth = one_image([(0, SQUARE), (0, ELSEWHERE)])
    answers = said((0, 0.9, ELSEWHERE), (0, 0.8, [0.0, 0.6, 0.1, 0.9]), (0, 0.7, HALF))
    found = quality.evaluate(answers, truth, ["A"]).metrics
    # 51 points of recall with a precision of 1, and at IoU 0.5, .55 and .6 50 with one of 2/3.
    assert found["box_map50"] == pytest.approx((51 + 50 * 2 / 3) / 101, abs=1e-6)
    assert found["box_map75"] == pytest.approx(51 / 101, abs=1e-6)
    # 16 and 9 % of 10,000 px: medium and small. The medium one is found at 3 of 10 thresholds.
    assert found["box_map_small"] == pytest.approx(1.0)
    assert found["box_map_medium"] == pytest.approx(0.3) and "box_map_large" not in found


def test_voc_2007_by_hand() -> None:
    truth = one_image([(0, SQUARE), (0, ELSEWHERE)])
    answers = said((0, 0.9, ELSEWHERE), (0, 0.8, [0.0, 0.6, 0.1, 0.9]), (0, 0.7, HALF))
    found = quality.evaluate(answers, truth, ["A", "none"]).metrics["box_ap50_voc07"]
    # Recalls 0 to 0.5 with a precision of 1, 0.6 to 1 with one of 2/3.
    assert found == pytest.approx((6 + 5 * 2 / 3) / 11)


def test_voc_2007_ignores_every_detection_of_a_difficult_object() -> None:
    truth = one_image([(0, SQUARE), (0, ELSEWHERE)], ignored=[True, False])
    both = said((0, 0.9, SQUARE), (0, 0.8, SQUARE), (0, 0.7, ELSEWHERE))
    found = quality.evaluate(both, truth, ["A"])
    assert found.metrics["box_ap50_voc07"] == 1.0
    # COCO lets an object that is no crowd excuse one detection; the second is wrong.
    assert found.metrics["box_map50"] == pytest.approx(0.5, abs=1e-6)
    assert list(found.notes) == ["1 crowds and difficult objects ignored"]


def test_a_crowd_excuses_all_that_lie_in_it() -> None:
    flags = {"ignored": [True, False], "crowd": [True, False]}
    truth = one_image([(0, [0.0, 0.0, 0.55, 0.55]), (0, ELSEWHERE)], **flags)
    answers = said((0, 0.9, SQUARE), (0, 0.8, [0.0, 0.0, 0.2, 0.2]), (0, 0.7, ELSEWHERE))
    assert quality.evaluate(answers, truth, ["A"]).metrics["box_map"] == pytest.approx(1.0)


def test_areas_are_those_of_the_original_picture() -> None:
    truth = one_image([(0, SQUARE)])
    sizes = {}
    for side in (50, 200, 400):
        truth["spans"] = np.array([(side, side)], np.float32)
        metrics = quality.evaluate(said((0, 0.9, SQUARE)), truth, ["A"]).metrics
        sizes[side] = [name for name in metrics if name.endswith(("small", "medium", "large"))]
    assert sizes == {50: ["box_map_small"], 200: ["box_map_medium"], 400: ["box_map_large"]}


def test_boxes_are_clipped_to_the_image() -> None:
    truth = one_image([(0, [0.0, 0.0, 0.4, 0.4])])
    found = quality.evaluate(said((0, 0.9, [-0.3, -0.2, 0.4, 0.4])), truth, ["A"])
    assert found.metrics["box_map"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("classification", (1, 0.9, HALF)),
        ("localization", (0, 0.9, THIRD)),
        ("both", (1, 0.9, THIRD)),
        ("background", (0, 0.9, [0.0, 0.6, 0.1, 0.9])),
    ],
)
def test_each_kind_of_error(kind: str, answer: tuple[int, float, list[float]]) -> None:
    truth = one_image([(0, SQUARE), (1, ELSEWHERE)])
    found = quality.evaluate(said(answer), truth, ["A", "B"]).details["errors"]
    # The square is not missed where it was found with another class, or at the wrong place.
    missed = 1 if kind in ("classification", "localization") else 2
    expected = dict.fromkeys(("right", *mistakes.KINDS), 0) | {kind: 1, "missed": missed}
    assert found == expected


def test_a_second_detection_is_a_duplicate() -> None:
    truth = one_image([(0, SQUARE), (0, ELSEWHERE)])
    answers = said((0, 0.9, SQUARE), (0, 0.8, SQUARE), (0, 0.7, ELSEWHERE))
    found = quality.evaluate(answers, truth, ["A"]).details["errors"]
    # As many detections count as there are objects: the third is not looked at.
    assert (found["right"], found["duplicate"], found["missed"]) == (1, 1, 1)


def test_what_a_crowd_or_a_difficult_object_excuses_is_no_error() -> None:
    truth = one_image([(0, SQUARE), (0, ELSEWHERE)], ignored=[True, False])
    found = quality.evaluate(said((0, 0.9, SQUARE)), truth, ["A"]).details["errors"]
    assert sum(found.values()) == found["missed"] == 1


def test_chance_is_one_constant_answer() -> None:
    answers, truth = made(8, flags=False)
    details = quality.evaluate(answers, truth, NAMES).details
    assert details["chance"] == details["chances"]["box_map"] < 0.1
    # The same box in every picture is always right where all objects are at one place.
    same = {"labels": np.zeros((5, 1), np.int64), "boxes": np.tile(np.float32(SQUARE), (5, 1, 1))}
    same["spans"] = np.full((5, 2), 100, np.float32)
    blind = {"labels": np.full((5, 1), NO_OBJECT), "scores": np.zeros((5, 1), np.float32)}
    found = quality.evaluate(blind | {"boxes": same["boxes"]}, same, ["A"])
    assert found.details["chance"] == pytest.approx(1.0)
    assert found.metrics["box_map"] == 0


def test_details_fit_in_a_record() -> None:
    answers, truth = made(9, images=60, most=100, objects=20, classes=90, flags=False, places=8)
    found = quality.evaluate(answers, truth, [f"class number {label}" for label in range(90)])
    assert len(json.dumps(found.details)) < 60_000
    replicates = found.details["replicates"]
    assert replicates.keys() == found.metrics.keys() - {"box_ap50_voc07"}
    assert {len(values) for values in replicates.values()} == {quality.RESAMPLES}
    middle = np.mean(replicates["box_map"]) / 1e6
    assert abs(middle - found.metrics["box_map"]) < 4 * np.std(replicates["box_map"]) / 1e6


def test_nothing_to_find_or_answers_that_are_not_finite_fail() -> None:
    answers, truth = made(10)
    with pytest.raises(JobFailed, match="none of the test images has an object to be found"):
        quality.evaluate(answers, truth | {"labels": np.full_like(truth["labels"], -1)}, NAMES)
    answers["scores"][answers["labels"] >= 0] = np.nan
    with pytest.raises(JobFailed, match="not finite"):
        quality.evaluate(answers, truth, NAMES)


def test_no_detection_at_all_is_an_average_precision_of_zero() -> None:
    answers, truth = made(11)
    none = answers | {"labels": np.full_like(answers["labels"], NO_OBJECT)}
    found = quality.evaluate(none, truth, NAMES)
    assert found.metrics["box_map"] == found.metrics["box_ar100"] == 0
    assert found.details["errors"]["missed"] == found.details["n_objects"]
