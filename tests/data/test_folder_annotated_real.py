"""Blood cells (COCO) and nuclei (label maps), as published and converted to other layouts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnbench.data import loading
from cnnbench.data.datasets import Request
from cnnbench.data.folder import FOLDER
from cnnbench.data.pictures import Splits
from tests.data import annotated
from tests.data.annotated import Example

CELLS = ["RBC", "WBC", "Platelets"]
PARTS = {"trainval": 292, "test": 72}


@pytest.fixture(scope="module")
def cells(data_dir: Path) -> Path:
    folder = data_dir / "annotated" / "bccd"
    if not folder.is_dir():
        pytest.skip(f"no data: {folder} does not exist")
    return folder


@pytest.fixture(scope="module")
def nuclei(data_dir: Path) -> Path:
    folder = data_dir / "annotated" / "dsb2018_nuclei"
    if not folder.is_dir():
        pytest.skip(f"no data: {folder} does not exist")
    return folder


def listed(cells: Path) -> dict[str, list[Example]]:
    """Return what the files of blood cells say, read without cnnbench."""
    parts = {}
    for part in PARTS:
        content = json.loads((cells / f"instances_{part}.json").read_text())
        names = {one["id"]: one["name"] for one in content["categories"]}
        found = {
            one["id"]: Example(one["file_name"], (one["height"], one["width"]), [])
            for one in content["images"]
        }
        for one in content["annotations"]:
            x, y, width, height = one["bbox"]
            box = y, x, y + height, x + width
            found[one["image_id"]].objects.append((names[one["category_id"]], box))
        parts[part] = list(found.values())
    return parts


def linked(cells: Path, folder: Path) -> Path:
    """Return a folder with a link to each picture of blood cells."""
    folder.mkdir(parents=True)
    for picture in (cells / "images").iterdir():
        (folder / picture.name).symlink_to(picture)
    return folder


def assert_official(splits: Splits) -> None:
    assert (len(splits.train.labels), len(splits.test.labels)) == (292, 72)
    assert splits.has_own_test


@pytest.mark.data
def test_blood_cells(cells: Path) -> None:
    located = FOLDER.at("bccd").locate([cells.parent])
    assert (located.classes, located.annotations) == (3, {"boxes"})
    splits = annotated.splits(cells)
    assert list(splits.classes) == CELLS
    assert_official(splits)
    assert splits.problems == ()
    for found in listed(cells).values():
        annotated.assert_same_boxes(splits, found)


@pytest.mark.data
def test_blood_cells_as_pascal_voc(cells: Path, tmp_path: Path) -> None:
    parts = listed(cells)
    linked(cells, tmp_path / "JPEGImages")
    annotated.write_voc(tmp_path, [one for found in parts.values() for one in found], parts)
    splits = annotated.splits(tmp_path)
    assert set(splits.classes) == set(CELLS)
    assert_official(splits)
    assert splits.problems == ()
    for found in parts.values():
        annotated.assert_same_boxes(splits, found)


@pytest.mark.data
def test_blood_cells_as_yolo(cells: Path, tmp_path: Path) -> None:
    for part, found in listed(cells).items():
        linked(cells, tmp_path / part / "images")
        for other in (tmp_path / part / "images").iterdir():
            if other.name not in {one.name for one in found}:
                other.unlink()
        annotated.write_yolo(tmp_path / part, found, classes=CELLS)
    (tmp_path / "test" / "data.yaml").rename(tmp_path / "data.yaml")
    splits = annotated.splits(tmp_path)
    assert list(splits.classes) == CELLS
    assert_official(splits)
    assert splits.problems == ()
    for found in listed(cells).values():
        annotated.assert_same_boxes(splits, found, within=0.01)


@pytest.mark.data
def test_blood_cells_are_read_with_their_boxes(cells: Path) -> None:
    request = Request("folder:bccd", size=96, fit="letterbox", train_examples=20, test_examples=10)
    data = loading.load(request, None, [cells.parent])
    assert data.train.images.shape == (20, 96, 96, 3)
    objects = data.train.objects
    assert (objects.sizes == (480, 640)).all()
    assert (data.train.images[:, :12] == 127).all()  # the picture has 72 of the 96 rows
    assert (objects.boxes[objects.labels >= 0][:, 0] >= 12 / 96 - 1e-6).all()
    rows = objects.largest()
    assert (objects.labels[np.arange(20), rows] == data.train.labels).all()


@pytest.mark.data
def test_nuclei(nuclei: Path) -> None:
    located = FOLDER.at("dsb2018_nuclei").locate([nuclei.parent])
    assert (located.classes, located.annotations) == (1, {"boxes", "instances", "semantic"})
    request = Request("folder:dsb2018_nuclei", size=(96, 128), channels=1, fit="stretch")
    data = loading.load(request, None, [nuclei.parent])
    assert (len(data.train), len(data.test)) == (288, 72)
    assert list(data.problems) == []
    counted = sum(
        len(np.unique(np.asarray(Image.open(file)))) - 1
        for file in (nuclei / "masks").glob("*.png")
    )
    objects = data.train.objects
    assert int(objects.counts.sum() + data.test.objects.counts.sum()) == counted
    for index in range(0, 288, 24):
        image, numbers = data.train.images[index, ..., 0], objects.instances[index]
        assert image[numbers > 0].mean() > 1.2 * image[numbers == 0].mean()  # nuclei shine
        assert ((objects.semantic[index] == 1) == (numbers > 0)).all()
        for row in range(objects.counts[index]):
            rows, columns = np.nonzero(numbers == row + 1)
            if len(rows):
                seen = np.array([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1])
                beyond = (seen - objects.boxes[index, row] * (96, 128, 96, 128)) * [-1, -1, 1, 1]
                assert (beyond <= 1).all()  # the nearest px of a thin end may be another's
                assert np.median(np.abs(beyond)) <= 1
