"""Annotated pictures of one's own: label maps, orientation, other sizes, depth, transparency."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnbench.data.annotations import IGNORED
from cnnbench.data.folder import FOLDER
from cnnbench.errors import JobFailed
from tests.data import annotated
from tests.data.annotated import CLASSES, SIZE, Example, each_object, examples


def test_masks_of_8_bits_are_classes(tmp_path: Path) -> None:
    annotated.write_masks(tmp_path, examples(), of="classes")
    assert FOLDER.at(str(tmp_path)).locate([]).annotations == {"semantic"}
    data = annotated.read(tmp_path, size=SIZE)
    assert data.classes == ("1", "2")
    assert data.train.objects.counts.tolist() == [0] * 8
    for image, semantic in zip(data.train.images[..., 0], data.train.objects.semantic, strict=True):
        assert np.median(image[semantic == 0]) < 30
        for value, bright in ((1, 160), (2, 240)):
            if (semantic == value).any():
                assert abs(np.median(image[semantic == value]) - bright) < 5
    (tmp_path / "classes.txt").write_text("background\ncat\ndog\n")
    assert annotated.splits(tmp_path).classes == CLASSES


def test_masks_of_0_and_255_have_one_class(tmp_path: Path) -> None:
    annotated.write_masks(tmp_path, examples(), of="classes")
    for file in (tmp_path / "masks").iterdir():
        values = np.asarray(Image.open(file))
        Image.fromarray(np.where(values, 255, 0).astype(np.uint8)).save(file)
    data = annotated.read(tmp_path, "letterbox", SIZE)
    assert data.classes == ("object",)
    assert set(np.unique(data.train.objects.semantic)) == {0, 1, IGNORED}
    data = annotated.read(tmp_path, "stretch", SIZE)
    assert set(np.unique(data.train.objects.semantic)) == {0, 1}


def test_the_folders_name_may_say_what_the_masks_are_of(tmp_path: Path) -> None:
    annotated.write_masks(tmp_path, examples(), of="classes")
    (tmp_path / "masks").rename(tmp_path / "instances")
    found = FOLDER.at(str(tmp_path)).locate([])
    assert (found.classes, found.annotations) == (1, {"boxes", "instances", "semantic"})


def test_boxes_refer_to_the_upright_picture(tmp_path: Path) -> None:
    """COCO's width and height, and the boxes, are those that a viewer shows."""
    found = examples()
    annotated.write_coco(tmp_path, found)
    for example in found:
        file = tmp_path / "images" / example.name
        upright = Image.open(file)
        exif = upright.getexif()
        exif[0x0112] = 6  # a viewer turns it a quarter clockwise
        upright.rotate(90, expand=True).save(file, exif=exif)
    data = annotated.read(tmp_path, "letterbox", SIZE)
    assert data.problems == ()
    for _, image, _, box in each_object(data.train):
        y0, x0, y1, x1 = np.rint(box).astype(int)
        assert np.median(image[y0:y1, x0:x1]) > 150
    annotated.assert_same_boxes(annotated.splits(tmp_path), found)


def test_a_picture_annotated_on_its_side_is_named(tmp_path: Path) -> None:
    found = examples()
    annotated.write_coco(tmp_path, found)
    file = tmp_path / "images" / found[0].name
    stored = Image.open(file)
    exif = stored.getexif()
    exif[0x0112] = 6
    stored.save(file, exif=exif)
    (problem,) = annotated.splits(tmp_path).problems
    assert problem.startswith("images/00.png: ")
    assert problem.endswith("annotated on its side, without its EXIF orientation")


def test_a_picture_that_was_scaled_after_it_was_annotated_is_used(tmp_path: Path) -> None:
    found = examples()
    annotated.write_voc(tmp_path, found)
    file = tmp_path / "JPEGImages" / "00.png"
    height, width = found[0].size
    Image.open(file).resize((width * 2, height * 2)).save(file)
    splits = annotated.splits(tmp_path)
    note = "1 pictures have another size than their annotations state: scaled"
    assert splits.problems == () and note in splits.notes
    doubled = [(name, tuple(2 * edge for edge in box)) for name, box in found[0].objects]
    annotated.assert_same_boxes(splits, [Example("00.png", (0, 0), doubled), *found[1:]])


def test_pictures_of_16_bits_and_transparent_ones_are_read_as_classes_are(tmp_path: Path) -> None:
    found = examples()
    annotated.write_yolo(tmp_path, found)
    for index, example in enumerate(found):
        file = tmp_path / "images" / example.name
        pixels = np.asarray(Image.open(file))
        if index % 2:
            Image.fromarray(pixels.astype(np.uint16) * 16).save(file)  # of 12 bits
        else:
            alpha = np.full_like(pixels, 255)
            alpha[:5] = 0
            Image.fromarray(np.dstack([pixels, pixels, pixels, alpha])).save(file)
    splits = annotated.splits(tmp_path)
    assert splits.problems == ()
    assert any("read as 12 bits" in note for note in splits.notes)
    assert any("transparent" in note for note in splits.notes)
    data = annotated.read(tmp_path, size=SIZE)
    for _, image, _, box in each_object(data.train):
        y0, x0, y1, x1 = np.rint(box).astype(int)
        assert 150 < np.median(image[max(y0, 8) : y1, x0:x1]) < 250


def test_an_object_that_is_cut_off_is_left_out_and_its_pixels_stay_classes(tmp_path: Path) -> None:
    """Of 100 columns, the central 50 are shown: columns 25 to 75."""
    objects = [("cat", (10, 0, 40, 26)), ("dog", (10, 50, 40, 100))]
    found = [Example(f"{i}.png", (50, 100), objects) for i in range(5)]
    annotated.write_coco(tmp_path, found, masks=True)
    part = annotated.read(tmp_path, "crop", 50).train
    assert part.objects.counts.tolist() == [1] * 4
    assert part.objects.labels[:, 0].tolist() == [1] * 4
    assert part.objects.boxes[0, 0] == pytest.approx([0.2, 0.5, 0.8, 1.0])
    assert set(np.unique(part.objects.instances)) == {0, 1}
    assert (part.objects.semantic[:, 10:40, 0] == 1).all()  # one column of the cat is left
    assert (part.objects.semantic[:, 10:40, 25:] == 2).all()


def test_a_picture_in_several_splits_is_not_trained_on(tmp_path: Path) -> None:
    found = examples(8)
    annotated.write_yolo(tmp_path, found[:6], "train")
    annotated.write_yolo(tmp_path / "more", found[6:], "val")
    for kind in ("images", "labels"):
        (tmp_path / "more" / kind / "val").rename(tmp_path / kind / "val")
    same = (tmp_path / "images" / "val" / "06.png").read_bytes()
    (tmp_path / "images" / "train" / "00.png").write_bytes(same)
    splits = annotated.splits(tmp_path)
    assert splits.problems == ("images/train/00.png: duplicate of images/val/06.png",)
    assert (len(splits.train.labels), len(splits.test.labels)) == (5, 2)


def test_a_listed_picture_in_several_splits_is_noted(tmp_path: Path) -> None:
    found = examples(8)
    annotated.write_voc(tmp_path, found, {"train": found[:7], "test": found[5:]})
    splits = annotated.splits(tmp_path)
    assert (len(splits.train.labels), len(splits.test.labels)) == (5, 3)
    assert "2 pictures in several splits: kept out of training" in splits.notes


def test_a_few_objects_without_a_mask_are_ignored_and_many_leave_boxes(tmp_path: Path) -> None:
    file = annotated.write_coco(tmp_path, examples(10), masks=True)
    content = json.loads(file.read_text())
    del content["annotations"][0]["segmentation"]
    file.write_text(json.dumps(content))
    located = FOLDER.at(str(tmp_path)).locate([])
    assert located.annotations == {"boxes", "instances", "semantic"}
    assert "1 of 15 objects have no mask: ignored" in located.notes
    data = annotated.read(tmp_path)
    assert sum(int(part.objects.ignored.sum()) for part in (data.train, data.test)) == 1
    for entry in content["annotations"][:5]:
        entry["segmentation"] = []
    file.write_text(json.dumps(content))
    located = FOLDER.at(str(tmp_path)).locate([])
    assert located.annotations == {"boxes"}
    assert "5 of 15 objects have no mask: masks are not used" in located.notes


def test_more_classes_than_a_semantic_mask_can_hold(tmp_path: Path) -> None:
    file = annotated.write_coco(tmp_path, examples(5), masks=True)
    content = json.loads(file.read_text())
    content["categories"] += [{"id": 100 + i, "name": f"class {i}"} for i in range(300)]
    file.write_text(json.dumps(content))
    located = FOLDER.at(str(tmp_path)).locate([])
    assert (located.classes, located.annotations) == (302, {"boxes", "instances"})
    assert annotated.read(tmp_path).train.objects.semantic is None


def test_other_files_in_a_folder_of_classes_do_not_make_it_annotated(tmp_path: Path) -> None:
    for name in CLASSES:
        for index in range(5):
            annotated.paint(tmp_path / name / f"{index}.png", examples()[index])
    before = FOLDER.at(str(tmp_path)).locate([])
    (tmp_path / "cat" / "info.json").write_text('{"images": []}')
    (tmp_path / "cat" / "0.xml").write_text("<annotation/>")
    (tmp_path / "dog" / "0.txt").write_text("0 0.5 0.5 0.1 0.1")
    after = FOLDER.at(str(tmp_path)).locate([])
    assert (after.classes, after.notes) == (before.classes, before.notes)
    assert after.annotations == {"class"}


def test_a_folder_without_classes_and_annotations_says_what_was_looked_for(tmp_path: Path) -> None:
    annotated.paint(tmp_path / "images" / "0.png", examples()[0])
    with pytest.raises(JobFailed) as caught:
        annotated.splits(tmp_path)
    message = str(caught.value)
    for text in (
        "has 0 classes with",
        "no annotations either",
        "(COCO)",
        "(YOLO)",
        "Annotations/*",
    ):
        assert text in message
