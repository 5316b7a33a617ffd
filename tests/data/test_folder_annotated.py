"""Annotated pictures of one's own: each layout gives its pictures, boxes and masks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnbench import files
from cnnbench.data.annotations import IGNORED, NO_OBJECT
from cnnbench.data.folder import FOLDER
from cnnbench.data.pictures import AnnotatedPictures, Fit
from tests.data import annotated
from tests.data.annotated import CLASSES, GROUND, SIZE, Example, each_object, examples

WRITERS: dict[str, Callable[[Path, list[Example]], object]] = {
    "coco": annotated.write_coco,
    "coco with masks": lambda folder, found: annotated.write_coco(folder, found, masks=True),
    "voc": annotated.write_voc,
    "yolo": annotated.write_yolo,
    "instances": annotated.write_masks,
}
WITH_MASKS = ["coco with masks", "instances"]


def extent(mask: np.ndarray) -> np.ndarray:
    """Return top, left, bottom, right of what is true, in px."""
    rows, columns = np.nonzero(mask)
    return np.array([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1])


@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_gives_boxes_where_the_objects_are(
    layout: str, fit: Fit, tmp_path: Path
) -> None:
    WRITERS[layout](tmp_path, examples())
    data = annotated.read(tmp_path, fit, SIZE)
    assert data.problems == ()
    assert len(data.train) + len(data.test) == 10
    for part in (data.train, data.test):
        for index, image, row, box in each_object(part):
            bright = np.zeros(image.shape, bool)
            y0, x0, y1, x1 = np.rint(box).astype(int)
            bright[y0:y1, x0:x1] = image[y0:y1, x0:x1] > (GROUND + 160) / 2 + 10
            inside = bright[y0:y1, x0:x1]
            assert inside.mean() > 0.75
            if layout != "instances":  # of which all objects are one class
                name = data.classes[part.objects.labels[index, row]]
                assert (np.median(image[y0:y1, x0:x1]) > 200) == (name == "dog")
        if fit == "stretch":
            rows = part.objects.largest()
            assert (part.objects.labels[np.arange(len(part)), rows] == part.labels).all()


@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("layout", WITH_MASKS)
def test_masks_of_objects_fit_their_boxes(layout: str, fit: Fit, tmp_path: Path) -> None:
    WRITERS[layout](tmp_path, examples())
    part = annotated.read(tmp_path, fit, SIZE).train
    assert part.objects.instances.dtype == np.uint8
    for index, image, row, box in each_object(part):
        mask = part.objects.instances[index] == row + 1
        assert (np.abs(extent(mask) - box) <= 1.01).all()
        assert np.median(image[mask]) >= 130
        label = part.objects.labels[index, row]
        assert (part.objects.semantic[index][mask] == 1 + label).all()
    outside = part.objects.semantic == IGNORED
    assert outside.any() == (fit == "letterbox")


@pytest.mark.parametrize("layout", ["coco", "voc", "yolo"])
def test_boxes_are_those_that_were_written(layout: str, tmp_path: Path) -> None:
    WRITERS[layout](tmp_path, examples())
    annotated.assert_same_boxes(annotated.splits(tmp_path), examples())


@pytest.mark.parametrize(
    ("layout", "kinds"),
    [
        ("coco", {"boxes"}),
        ("coco with masks", {"boxes", "instances", "semantic"}),
        ("voc", {"boxes"}),
        ("yolo", {"boxes"}),
        ("instances", {"boxes", "instances", "semantic"}),
    ],
)
def test_planning_knows_hash_classes_and_kinds_without_opening_a_picture(
    layout: str, kinds: set[str], tmp_path: Path
) -> None:
    WRITERS[layout](tmp_path / "set", examples())
    for picture in (tmp_path / "set").rglob("*.png"):
        if "masks" not in picture.parts:
            picture.write_bytes(b"not a picture")
    found = FOLDER.at("set").locate([tmp_path])
    assert found.sha256 == files.sha256(tmp_path / "set")
    assert found.annotations == kinds
    assert found.classes == (1 if layout == "instances" else 2)
    assert "10 pictures" in found.notes[0]


def test_a_folder_of_classes_knows_the_class_of_a_picture(tmp_path: Path) -> None:
    for name in CLASSES:
        for index in range(5):
            annotated.paint(tmp_path / name / f"{index}.png", examples()[index])
    found = FOLDER.at(str(tmp_path)).locate([])
    assert (found.classes, found.annotations) == (2, {"class"})
    assert FOLDER.at("nothing").locate([tmp_path]).annotations is None


def test_without_official_splits_a_fifth_is_for_the_test_by_the_largest_object(
    tmp_path: Path,
) -> None:
    annotated.write_coco(tmp_path, examples(40))
    found = annotated.splits(tmp_path)
    assert not found.has_own_test
    whole = np.concatenate([found.train.labels, found.test.labels])
    assert len(found.test.labels) == 8
    assert np.bincount(found.test.labels).tolist() == (np.bincount(whole) / 5).round().tolist()
    assert isinstance(found.train, AnnotatedPictures)
    again = annotated.splits(tmp_path)
    assert again.test.labels.tolist() == found.test.labels.tolist()


def test_coco_has_a_file_a_split(tmp_path: Path) -> None:
    parts = {"train2017": examples(6), "val2017": examples(9)[6:]}
    (tmp_path / "annotations").mkdir()
    for name, found in parts.items():
        for example in found:
            annotated.paint(tmp_path / name / example.name, example)
        content = annotated.coco(found)
        content["categories"].reverse()  # the order of the file
        (tmp_path / f"annotations/instances_{name}.json").write_text(json.dumps(content))
        (tmp_path / f"annotations/person_keypoints_{name}.json").write_text(json.dumps(content))
    splits = annotated.splits(tmp_path)
    assert (len(splits.train.labels), len(splits.test.labels)) == (6, 3)
    assert splits.has_own_test and splits.problems == ()
    assert splits.classes == ("dog", "cat")
    assert "trained on its split train, tested on its split validation" in splits.notes
    annotated.assert_same_boxes(splits, examples(9))
    tested = annotated.splits(tmp_path, trains=False)
    assert (len(tested.train.labels), len(tested.test.labels)) == (0, 3)


def test_coco_files_may_lie_in_the_folder_of_their_split(tmp_path: Path) -> None:
    for name, found in {
        "train": examples(6),
        "valid": examples(8)[6:],
        "test": examples(9)[8:],
    }.items():
        for example in found:
            annotated.paint(tmp_path / name / example.name, example)
        (tmp_path / name / "_annotations.coco.json").write_text(json.dumps(annotated.coco(found)))
    splits = annotated.splits(tmp_path)
    assert [len(part.labels) for part in (splits.train, splits.validation, splits.test)] == [
        6,
        2,
        1,
    ]


def test_a_crowd_is_ignored(tmp_path: Path) -> None:
    file = annotated.write_coco(tmp_path, examples(), masks=True)
    content = json.loads(file.read_text())
    content["annotations"][0]["iscrowd"] = 1
    file.write_text(json.dumps(content))
    data = annotated.read(tmp_path, size=SIZE)
    (part,) = [part for part in (data.train, data.test) if part.objects.ignored.any()]
    (where,) = np.argwhere(part.objects.ignored)
    assert (part.objects.crowd == part.objects.ignored).all()
    index, row = where
    mask = part.objects.instances[index] == row + 1
    assert (part.objects.semantic[index][mask] == IGNORED).all()


def test_voc_has_lists_of_splits_and_difficult_objects(tmp_path: Path) -> None:
    found = examples(10)
    lists = {"train": found[:6], "val": found[6:8], "trainval": found[:8], "test": found[8:]}
    lists["cat_train"] = found
    annotated.write_voc(tmp_path / "VOC2007", found, lists)
    file = tmp_path / "VOC2007" / "Annotations" / "00.xml"
    file.write_text(file.read_text().replace("<difficult>0", "<difficult>1"))
    splits = annotated.splits(tmp_path)
    assert [len(part.labels) for part in (splits.train, splits.validation, splits.test)] == [
        6,
        2,
        2,
    ]
    assert splits.train.read_annotated(np.array([0]), 32, 3, "stretch")[1].ignored.all()
    assert splits.problems == ()


def test_voc_masks_follow_the_order_of_the_objects(tmp_path: Path) -> None:
    found = examples()
    annotated.write_voc(tmp_path, found)
    (tmp_path / "SegmentationObject").mkdir()
    for example in found:
        mask = np.zeros(example.size, np.uint8)
        for index, (_, box) in enumerate(example.objects, start=1):
            top, left, bottom, right = map(int, box)
            mask[top:bottom, left:right] = index
            mask[top : top + 4, left:right] = 255  # the border
        picture = Image.fromarray(mask, "P")
        picture.putpalette(list(range(256)) * 3)
        picture.save(tmp_path / "SegmentationObject" / example.name)
    assert "instances" in FOLDER.at(str(tmp_path)).locate([]).annotations
    part = annotated.read(tmp_path, size=SIZE).train
    for index, image, row, box in each_object(part):
        mask = part.objects.instances[index] == row + 1
        assert np.median(image[mask]) >= 160
        assert np.abs(extent(mask) - box)[1:].max() <= 1.01
        border = part.objects.semantic[index] == IGNORED
        assert extent(border)[0] < extent(mask)[0]


def test_voc_boxes_that_begin_at_0_are_edges(tmp_path: Path) -> None:
    found = [Example(f"{i}.png", (50, 60), [("cat", (1.0 + i, 2.0, 30.0, 40.0))]) for i in range(6)]
    annotated.write_voc(tmp_path, found)
    for file in (tmp_path / "Annotations").glob("*.xml"):
        text = file.read_text().replace("<xmin>3.0", "<xmin>0")
        file.write_text(text)
    splits = annotated.splits(tmp_path)
    expected = [
        Example(one.name, one.size, [("cat", (one.objects[0][1][0] + 1, 0.0, 30.0, 40.0))])
        for one in found
    ]
    annotated.assert_same_boxes(splits, expected)
    assert "boxes begin at 0: their edges are taken as they are" in splits.notes


@pytest.mark.parametrize("outer", [True, False])
def test_yolo_splits_by_subfolders(outer: bool, tmp_path: Path) -> None:
    for split, found in {"train": examples(6), "val": examples(9)[6:]}.items():
        if outer:
            annotated.write_yolo(tmp_path / split, found)
            (tmp_path / split / "data.yaml").rename(tmp_path / "data.yaml")
        else:
            annotated.write_yolo(tmp_path, found, split)
    splits = annotated.splits(tmp_path)
    assert (len(splits.train.labels), len(splits.test.labels)) == (6, 3)
    annotated.assert_same_boxes(splits, examples(9))


def test_yolo_polygons_and_pictures_without_objects(tmp_path: Path) -> None:
    found = examples()
    annotated.write_yolo(tmp_path, found)
    for example in found:
        height, width = example.size
        lines = [
            f"{CLASSES.index(name)} {x0 / width} {y0 / height} {x1 / width} {y0 / height} "
            f"{x1 / width} {y1 / height} {x0 / width} {y1 / height}\n"
            for name, (y0, x0, y1, x1) in example.objects
        ]
        (tmp_path / "labels" / f"{Path(example.name).stem}.txt").write_text("".join(lines))
    annotated.paint(tmp_path / "images" / "empty.png", Example("empty.png", (60, 80), []))
    data = annotated.read(tmp_path, size=SIZE)
    assert sorted({*data.train.labels.tolist(), *data.test.labels.tolist()}) == [NO_OBJECT, 0, 1]
    assert data.train.objects.instances is not None
    annotated.assert_same_boxes(annotated.splits(tmp_path), examples())


@pytest.mark.parametrize("written", ["classes.txt", "mapping", "none"])
def test_yolo_classes(written: str, tmp_path: Path) -> None:
    annotated.write_yolo(tmp_path, examples())
    (tmp_path / "data.yaml").unlink()
    if written == "classes.txt":
        (tmp_path / "classes.txt").write_text("cat\ndog\n")
    elif written == "mapping":
        (tmp_path / "data.yaml").write_text("names: {1: dog, 0: cat}\n")
    wanted = ("0", "1") if written == "none" else CLASSES
    assert annotated.splits(tmp_path).classes == wanted
