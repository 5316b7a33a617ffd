"""One's own pictures: what can be used is, what cannot is named and counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnbench import files
from cnnbench.data import loading
from cnnbench.data.datasets import Request
from cnnbench.data.folder import pictures as folder
from cnnbench.data.photographs import decoded
from cnnbench.errors import JobFailed, Unavailable


def paint(file: Path, colour: tuple[int, int, int], size: tuple[int, int] = (12, 10)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(file)


@pytest.fixture()
def photos(tmp_path: Path) -> Path:
    for index in range(10):
        paint(tmp_path / "photos" / "blue" / f"{index}.png", (0, 0, 100 + index))
        paint(tmp_path / "photos" / "red" / f"{index}.jpg", (100 + 9 * index, 0, 0))
    return tmp_path / "photos"


def test_a_class_a_subfolder(photos: Path) -> None:
    wanted = Request("folder:photos", size=8, channels=3)
    data = loading.load(wanted, None, [photos.parent])
    assert data.classes == ("blue", "red")
    assert np.bincount(data.train.labels).tolist() == [8, 8]
    assert np.bincount(data.test.labels).tolist() == [2, 2]
    blue = data.train.images[data.train.labels == 0]
    assert (blue[..., 2] >= 100).all()
    assert (blue[..., 0] == 0).all()
    assert list(data.problems) == []


def test_what_cannot_be_used_is_named(photos: Path) -> None:
    (photos / "stray.png").write_bytes((photos / "blue" / "1.png").read_bytes())
    (photos / "red" / "notes.txt").write_text("no picture")
    (photos / "red" / "9.jpg").write_bytes((photos / "red" / "8.jpg").read_bytes()[:-200])
    (photos / "red" / "sky.png").write_bytes((photos / "blue" / "0.png").read_bytes())
    (photos / "blue" / "twice.png").write_bytes((photos / "blue" / "2.png").read_bytes())
    (photos / "blue" / ".DS_Store").write_text("hidden")
    paint(photos / "green" / "lonely.png", (0, 200, 0))
    splits = folder.load("photos", [photos.parent])
    problems = "\n".join(sorted(splits.problems))
    for text in [
        "blue/0.png: mislabelled, the same picture is in blue and red",
        "blue/twice.png: duplicate of blue/2.png",
        "red/9.jpg: unreadable (",
        "red/notes.txt: not an image",
        "red/sky.png: mislabelled",
        "stray.png: not in the subfolder of a class",
    ]:
        assert text in problems
    assert len(splits.problems) == 6
    assert splits.notes == ("class green left out: 1 of the 5 usable pictures needed",)
    assert splits.classes == ("blue", "red")
    assert len(splits.train.labels) + len(splits.test.labels) == 9 + 9


def test_a_picture_whose_orientation_is_damaged_is_named_and_not_fatal(photos: Path) -> None:
    odd = photos / "red" / "odd.jpg"
    Image.new("RGB", (12, 10), (9, 9, 9)).save(odd, dpi=(72, 72), exif=b"Exif\0\0garbage!")
    data = loading.load(Request("folder:photos", size=8, channels=3), None, [photos.parent])
    (problem,) = data.problems
    assert problem.startswith("red/odd.jpg: unreadable (")


def test_a_folder_that_was_changed_since_the_plan_is_refused(photos: Path) -> None:
    planned = files.sha256(photos)
    assert folder.load("photos", [photos.parent], planned).classes == ("blue", "red")
    paint(photos / "red" / "new.png", (1, 2, 3))
    with pytest.raises(JobFailed, match="not those of the plan; run again"):
        folder.load("photos", [photos.parent], planned)


def test_no_folder_and_no_classes_are_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no folder 'photos' next to the suite"):
        folder.load("photos", [tmp_path])
    (tmp_path / "photos").mkdir()
    with pytest.raises(JobFailed, match="has 0 classes"):
        folder.load("photos", [tmp_path])


def test_a_wide_picture_is_cut_at_its_centre(tmp_path: Path) -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 250
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert (decoded(tmp_path / "wide.png", 10, 10, 3) == 250).all()
    assert decoded(tmp_path / "wide.png", 5, 5, 1).shape == (5, 5, 1)


def test_a_rotated_photograph_is_set_upright(tmp_path: Path) -> None:
    picture = Image.fromarray(np.repeat([[0], [255]], 8, axis=0).repeat(16, axis=1).astype("uint8"))
    exif = picture.getexif()
    exif[0x0112] = 3  # upside down
    picture.save(tmp_path / "down.png", exif=exif)
    upright = decoded(tmp_path / "down.png", 8, 8, 1)
    assert upright[0].mean() > 200 > 50 > upright[-1].mean()


def test_a_folders_hash_follows_names_and_bytes(photos: Path) -> None:
    before = files.sha256(photos)
    assert files.sha256(photos) == before
    (photos / "blue" / "0.png").rename(photos / "blue" / "zero.png")
    renamed = files.sha256(photos)
    paint(photos / "blue" / "zero.png", (1, 2, 3))
    assert len({before, renamed, files.sha256(photos)}) == 3
