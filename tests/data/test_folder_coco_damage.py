"""COCO files with mistakes: each is named and counted, and the others are used."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnbench.data.folder import FOLDER
from cnnbench.errors import JobFailed
from tests.data import annotated
from tests.data.annotated import examples

Content = dict[str, Any]


def changed(part: str, index: int, **values: Any) -> Callable[[Content], object]:
    """Return a change of one entry of a COCO file."""
    return lambda content: content[part][index].update(values)


def copied(part: str, index: int, **values: Any) -> Callable[[Content], object]:
    """Return a change that repeats one entry of a COCO file with other values."""
    return lambda content: content[part].append({**content[part][index], **values})


# Annotation 1 is the only object of 00.png, 2 and 3 are those of 01.png.
COCO = {
    "partly outside": (
        changed("annotations", 1, bbox=[-8, 5, 20, 20]),
        "annotation 2: a box beyond the edge of the picture: clipped",
        0,
    ),
    "outside": (changed("annotations", 1, bbox=[500, 5, 20, 20]), "a box outside the picture", 0),
    "no area": (changed("annotations", 1, bbox=[5, 5, 0, 20]), "annotation 2: a box of no area", 0),
    "negative": (changed("annotations", 1, bbox=[30, 30, -9, -9]), "a box of no area", 0),
    "class": (changed("annotations", 1, category_id=99), "of an unknown category 99", 0),
    "doubled": (copied("annotations", 1, id=77), "annotation 77: doubled, the same class and", 0),
    "NaN": (changed("annotations", 1, bbox=[math.nan, 5, 9, 9]), "nan is not a finite number", 0),
    "infinite": (changed("annotations", 1, bbox=[5, 5, math.inf, 9]), "inf is not a finite", 0),
    "huge": (changed("annotations", 1, bbox=[5, 5, 10**400, 9]), "is not within any picture", 0),
    "text": (changed("annotations", 1, bbox=["a", 5, 9, 9]), "'a' is not a number", 0),
    "nothing": (changed("annotations", 1, bbox=None), "annotation 2: without a bbox", 0),
    "three": (changed("annotations", 1, bbox=[1, 2, 3]), "is not four numbers", 0),
    "image": (changed("annotations", 1, image_id=99), "of an unknown image 99", 0),
    "no image": (changed("annotations", 1, image_id=[]), "of an unknown image []", 0),
    "no object": (lambda content: content["annotations"].append(3), "3 is not an object", 0),
    "lone class": (
        changed("annotations", 0, category_id="x"),
        "images/00.png: none of its 1 objects is usable",
        1,
    ),
    "lone": (changed("annotations", 0, bbox=[5, 5, 0, 0]), "none of its 1 objects is usable", 1),
    "passwd": (
        changed("images", 0, file_name="../../etc/passwd"),
        "passwd' leads out of the folder",
        1,
    ),
    "upwards": (changed("images", 0, file_name="../images/gone.png"), "leads out of", 1),
    "absolute": (changed("images", 0, file_name="/etc/passwd"), "is not a path within the", 1),
    "drive": (changed("images", 0, file_name="C:\\cat.png"), "is not a path within the folder", 1),
    "null": (changed("images", 0, file_name="a\0b"), "there is no picture", 1),
    "missing": (changed("images", 0, file_name="gone.png"), "image 1: there is no picture 'gon", 1),
    "no name": (changed("images", 0, file_name=None), "image 1: without a file_name", 1),
    "twice": (changed("images", 0, file_name="01.png"), "image 2: '01.png' stands twice", 2),
    "same id": (changed("images", 0, id=2), "image 2: an id that another one has", 1),
    "shape": (changed("images", 0, width=600), "but annotations.json is for 600 x", 1),
    "category": (copied("categories", 0, name="bird"), "an id that another one has; not used", 0),
    "no mask": (
        changed("annotations", 1, segmentation={"size": [5, 5], "counts": [3, 4]}),
        "annotation 2: no mask: run lengths of 7 px, not 25",
        0,
    ),
    "odd mask": (changed("annotations", 1, segmentation=[[1, 2, 3]]), "is not a polygon of at", 0),
    "odd runs": (
        changed("annotations", 1, segmentation={"size": [5, 5], "counts": "\x01\x02"}),
        "compressed run lengths that are damaged",
        0,
    ),
}


@pytest.mark.parametrize("case", COCO)
def test_a_mistake_in_coco_is_named(case: str, tmp_path: Path) -> None:
    change, problem, lost = COCO[case]
    file = annotated.write_coco(tmp_path, examples())
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    splits = annotated.splits(tmp_path)
    assert any(problem in line for line in splits.problems), splits.problems
    assert all(line.startswith(("annotations.json: ", "images/")) for line in splits.problems)
    assert len(splits.train.labels) + len(splits.test.labels) == 10 - lost


def test_whole_numbers_may_be_written_with_a_point(tmp_path: Path) -> None:
    file = annotated.write_coco(tmp_path, examples())
    content = json.loads(file.read_text())
    content["images"][0] |= {"id": 1.0, "width": float(content["images"][0]["width"])}
    content["annotations"][1] |= {"image_id": 2.0, "category_id": 7.0}
    file.write_text(json.dumps(content))
    assert annotated.splits(tmp_path).problems == ()


def test_a_clipped_box_ends_at_the_edge(tmp_path: Path) -> None:
    file = annotated.write_coco(tmp_path, examples())
    content = json.loads(file.read_text())
    content["annotations"][1]["bbox"] = [-8, 5, 20, 20]
    content["annotations"][2]["bbox"] = [40, 5, 1000, 20]
    file.write_text(json.dumps(content))
    (_, first), (_, second) = annotated.boxes_by_name(annotated.splits(tmp_path))["01.png"]
    assert first == pytest.approx((5, 0, 25, 12))
    assert second == pytest.approx((5, 40, 25, examples()[1].size[1]))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "not readable as JSON"),
        ("[1, 2]", "not an object with images, annotations, categories"),
        ('{"images": {}, "annotations": [], "categories": []}', "'images' is not a list"),
        ("[" * 100_000, "not readable as JSON"),
        ("", "not readable as JSON"),
    ],
)
def test_a_damaged_coco_file_is_named_and_the_others_are_read(
    text: str | None, problem: str, tmp_path: Path
) -> None:
    file = annotated.write_coco(tmp_path, examples())
    file.rename(tmp_path / "instances_good.json")
    cut = (tmp_path / "instances_good.json").read_text()[:-50]
    (tmp_path / "instances_bad.json").write_text(cut if text is None else text)
    splits = annotated.splits(tmp_path)
    (line,) = splits.problems
    assert line.startswith(f"instances_bad.json: {problem}")
    annotated.assert_same_boxes(splits, examples())


def test_nothing_usable_says_what_was_looked_for_and_found(tmp_path: Path) -> None:
    file = annotated.write_coco(tmp_path, examples())
    file.write_text(file.read_text()[:-50])
    (note,) = FOLDER.at(str(tmp_path)).locate([]).notes[-1:]
    assert note.startswith("1 problems in the annotations: annotations.json: not readable as JSON")
    with pytest.raises(JobFailed) as caught:
        annotated.splits(tmp_path)
    message = str(caught.value)
    assert "(COCO, annotations.json) has 0 usable pictures of 0: 0 have an object, 5 are" in message
    assert "(1 problems: annotations.json: not readable as JSON" in message
    assert "\n" not in message


def test_a_split_without_a_usable_picture_is_said(tmp_path: Path) -> None:
    annotated.write_yolo(tmp_path, examples(6), "train")
    annotated.write_yolo(tmp_path / "x", examples(8)[6:], "test")
    for kind in ("images", "labels"):
        (tmp_path / "x" / kind / "test").rename(tmp_path / kind / "test")
    for file in (tmp_path / "images" / "test").iterdir():
        file.write_bytes(b"none")
    with pytest.raises(JobFailed, match="none with an object in its split test"):
        annotated.splits(tmp_path)
