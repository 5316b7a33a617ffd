"""Objects whose masks overlap: a pixel belongs to one of them, and what others lose is noted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.data import annotated
from tests.data.annotated import Box, Example, examples

LARGE, SMALL, TINY = (10, 10, 50, 50), (40, 40, 58, 70), (42, 42, 48, 48)
"""1,600 px, of which 100 are under the second; 540 px, of which 36 are under the third."""


def notes(folder: Path) -> list[str]:
    return [one for one in annotated.splits(folder).notes if one.startswith("objects that overlap")]


def written(folder: Path, *boxes: Box, size: tuple[int, int] = (60, 80)) -> Path:
    """Write examples without overlaps and one with these boxes; return the file of COCO."""
    objects = [("cat", box) for box in boxes]
    return annotated.write_coco(folder, [*examples(), Example("z.png", size, objects)], masks=True)


def test_objects_apart_need_no_note(tmp_path: Path) -> None:
    written(tmp_path, (0, 0, 20, 20), (20, 0, 40, 20))
    assert notes(tmp_path) == []


def test_pixels_that_objects_lose_are_counted(tmp_path: Path) -> None:
    written(tmp_path, SMALL, LARGE, TINY)
    assert notes(tmp_path) == [
        "objects that overlap: 2 lose 136 of their 2,140 px to smaller objects on top of them, as "
        "a pixel belongs to one object"
    ]


def test_they_are_those_that_the_fitted_masks_lack(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    low = rng.integers(0, 30, (6, 2))
    high = low + rng.permutation(np.arange(12, 24)).reshape(6, 2)
    boxes = np.concatenate([low, high], axis=1).tolist()
    (tmp_path / "train").mkdir()
    written(tmp_path / "train", *boxes, size=(64, 64))
    annotated.write_coco(tmp_path / "test", examples(seed=7), masks=True)
    objects = annotated.read(tmp_path, "stretch", 64).train.objects
    (place,) = np.nonzero(objects.counts == 6)[0]
    left = np.bincount(objects.instances[place].ravel(), minlength=7)[1:]
    own = np.prod(high - low, axis=1)
    lost = own - left
    assert (lost > 0).sum() >= 4
    (note,) = notes(tmp_path)
    assert f"{(lost > 0).sum()} lose {lost.sum():,} of their {own[lost > 0].sum():,} px" in note


def test_what_a_crowd_loses_does_not_count(tmp_path: Path) -> None:
    file = written(tmp_path, LARGE, SMALL, TINY)
    content = json.loads(file.read_text())
    content["annotations"][-3]["iscrowd"] = 1
    file.write_text(json.dumps(content))
    assert "1 lose 36 of their 540 px" in notes(tmp_path)[0]


def test_a_large_object_is_sampled(tmp_path: Path) -> None:
    written(tmp_path, (0, 0, 1024, 1024), (512, 0, 1024, 512), size=(1024, 1500))
    assert "1 lose 262,144 of their 1,048,576 px" in notes(tmp_path)[0]


def test_boxes_that_overlap_without_masks_need_no_note(tmp_path: Path) -> None:
    annotated.write_coco(
        tmp_path, [*examples(), Example("z.png", (60, 80), [("cat", LARGE), ("dog", SMALL)])]
    )
    assert notes(tmp_path) == []
