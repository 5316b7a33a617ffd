"""Classes that are links, empty or missing, and folders that bring their own splits."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnbench import files
from cnnbench.data import datasets
from cnnbench.data.folder import FOLDER, layout
from cnnbench.data.folder import pictures as folder
from cnnbench.errors import JobFailed


def fill(place: Path, count: int, seed: int) -> Path:
    """``count`` different pictures in a new folder."""
    place.mkdir(parents=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 6, 6, 3), np.uint8)
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(place / f"{number}.png")
    return place


@pytest.fixture()
def photos(tmp_path: Path) -> Path:
    """A class of files, one that is a link elsewhere, a dangling link, and an empty folder."""
    photos = tmp_path / "photos"
    fill(photos / "blue", 6, seed=1)
    (photos / "red").symlink_to(fill(tmp_path / "elsewhere", 7, seed=2))
    (photos / "green").symlink_to(tmp_path / "nowhere")
    (photos / "white").mkdir()
    return photos


def test_links_are_followed_and_what_leads_to_no_picture_is_named(photos: Path) -> None:
    splits = folder.load("photos", [photos.parent])
    assert splits.classes == ("blue", "red")
    assert len(splits.train.labels) + len(splits.test.labels) == 13
    assert splits.problems == ("green: a dangling link", "white: an empty folder")
    assert splits.notes == ("class white left out: 0 of the 5 usable pictures needed",)


def test_a_class_whose_files_are_all_damaged_is_named(photos: Path) -> None:
    (photos / "white" / "1.png").write_text("no picture")
    splits = folder.load("photos", [photos.parent])
    assert "white/1.png: not an image" in splits.problems
    assert splits.notes == ("class white left out: 0 of the 5 usable pictures needed",)


def test_links_that_never_end_are_not_followed(photos: Path) -> None:
    (photos / "blue" / "again").symlink_to(photos)
    (photos / "red" / "itself").symlink_to(photos / "red" / "itself")
    (photos / "up").symlink_to(photos.parent)
    assert layout.read(photos).problems() == [
        "blue/again: a link to a folder that contains it",
        "green: a dangling link",
        "red/itself: a dangling link",
        "up: a link to a folder that contains it",
        "white: an empty folder",
    ]
    assert folder.load("photos", [photos.parent]).classes == ("blue", "red")


def test_what_is_no_file_is_named(photos: Path) -> None:
    os.mkfifo(photos / "blue" / "pipe")
    assert "blue/pipe: neither a file nor a folder" in layout.read(photos).problems()


def test_the_hash_follows_links_and_everything_that_was_seen(photos: Path) -> None:
    hashes = [files.sha256(photos)]
    (photos / "red" / "0.png").unlink()  # behind the link
    hashes.append(files.sha256(photos))
    (photos / "black").mkdir()
    hashes.append(files.sha256(photos))
    (photos / "green").unlink()
    hashes.append(files.sha256(photos))
    assert len(set(hashes)) == 4
    (photos / "black").rmdir()
    (photos / "white" / ".hidden").touch()
    (photos / "green").symlink_to("nowhere")
    assert files.sha256(photos) == hashes[1]


def test_the_hash_of_a_folder_of_files_is_as_it_was_before_links_were_followed(
    tmp_path: Path,
) -> None:
    for name, content in (("b/2.png", b"two"), ("a/1.png", b"one")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(content)
    expected = hashlib.sha256(b"a/1.png\x003\x00oneb/2.png\x003\x00two").hexdigest()
    assert files.sha256(tmp_path) == expected


@pytest.fixture()
def split(tmp_path: Path) -> Path:
    """Eight pictures of each class to train on, three to judge, two to validate."""
    for label in (0, 1):
        for seed, (name, count) in enumerate((("train", 8), ("Test", 3), ("val", 2))):
            fill(tmp_path / "split" / name / f"class{label}", count, seed=10 * label + seed)
    return tmp_path / "split"


def test_train_and_test_in_one_folder_are_the_splits(split: Path) -> None:
    splits = folder.load("split", [split.parent])
    assert splits.classes == ("class0", "class1")
    assert splits.validation is not None
    parts = (splits.train, splits.test, splits.validation)
    assert [np.bincount(part.labels).tolist() for part in parts] == [[8, 8], [3, 3], [2, 2]]
    assert splits.notes == ("trained on train/, tested on Test/",)
    assert splits.problems == ()
    picture = np.asarray(Image.open(split / "Test" / "class1" / "2.png"))
    assert (splits.test.read(np.array([5]), 6, 3)[0] == picture).all()


def test_planning_counts_what_is_trained_on(photos: Path, split: Path) -> None:
    for folder_of, count in ((photos, 13 - 2), (split, 2 * 8)):  # a fifth, and splits of its own
        found = FOLDER.at(str(folder_of))
        assert found.facts == datasets.UNKNOWN
        found.locate([])
        assert datasets.facts_of(f"folder:{folder_of}").training_images == count


def test_without_a_test_the_validation_images_are_for_judging(split: Path) -> None:
    for label in (0, 1):
        for file in (split / "Test" / f"class{label}").iterdir():
            file.unlink()
        (split / "Test" / f"class{label}").rmdir()
    (split / "Test").rmdir()
    splits = folder.load("split", [split.parent])
    assert splits.validation is None
    assert np.bincount(splits.test.labels).tolist() == [2, 2]
    assert splits.notes == ("trained on train/, tested on val/",)


def test_a_picture_of_the_test_is_not_trained_on(split: Path) -> None:
    seen = split / "Test" / "class0" / "0.png"
    (split / "train" / "class0" / "copy.png").write_bytes(seen.read_bytes())
    splits = folder.load("split", [split.parent])
    assert splits.problems == ("train/class0/copy.png: duplicate of Test/class0/0.png",)
    assert len(splits.train.labels) == 16


def test_a_class_without_test_pictures_is_left_out_and_named(split: Path) -> None:
    fill(split / "train" / "class2", 4, seed=99)
    splits = folder.load("split", [split.parent])
    assert splits.classes == ("class0", "class1")
    assert splits.notes[1] == "class class2 left out: 0 of the 1 test pictures needed"


def test_test_pictures_of_no_class_are_none_to_judge_by(split: Path) -> None:
    for label in (0, 1):
        for file in (split / "Test" / f"class{label}").iterdir():
            file.rename(split / "Test" / f"{label}{file.name}")
        (split / "Test" / f"class{label}").rmdir()
    with pytest.raises(JobFailed) as caught:
        folder.load("split", [split.parent])
    assert str(caught.value).startswith(
        "'split' has 0 classes with enough pictures; two are needed; folder:split/train alone "
        "would hold out a fifth for testing (6 problems: class class0 left out: 0 of the 1 "
        "test pictures"
    )


def test_split_names_beside_others_are_classes_and_said(split: Path) -> None:
    fill(split / "other", 5, seed=98)
    splits = folder.load("split", [split.parent])
    assert splits.classes == ("Test", "other", "train")  # of val there are four pictures
    assert splits.notes == (
        "Test/ and train/ and val/ taken as classes: there are other subfolders",
        "class val left out: 4 of the 5 usable pictures needed",
    )


def test_a_folder_one_level_too_high_is_told_from_the_right_one(photos: Path) -> None:
    with pytest.raises(JobFailed, match=r"did you mean folder:\./photos\?"):
        (photos.parent / "elsewhere").rename(photos.parent.parent / "elsewhere-away")
        (photos / "red").unlink()
        (photos / "red").symlink_to(photos.parent.parent / "elsewhere-away")
        folder.load(".", [photos.parent])


def test_classes_named_by_numbers_come_in_the_order_of_these(tmp_path: Path) -> None:
    for number in range(12):
        fill(tmp_path / "many" / str(number), 5, seed=number)
    splits = folder.load("many", [tmp_path])
    assert splits.classes == tuple(str(number) for number in range(12))
    assert splits.notes == ("classes in numerical order, 0 to 11",)
    assert layout.in_order(["2", "10", "b"]) == ["10", "2", "b"]
