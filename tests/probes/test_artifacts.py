"""Folders of artifacts: readable names, unique, found by key."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cnnbench.probes import artifacts


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("MobileNetV2[alpha=0.35]", "MobileNetV2-alpha=0.35"),
        ("MobileNetV2[alpha=0.35]+yolo[classes=3]", "MobileNetV2-alpha=0.35-+yolo-classes=3"),
        ("nets:small", "nets-small"),
        ("../../etc/passwd", "etc-passwd"),
        ("..", "unnamed"),
        (".key", "key"),
        ("pruned-50+ptq-int8", "pruned-50+ptq-int8"),
        ("accuracy fashion_mnist/scratch/2ep", "accuracy-fashion_mnist-scratch-2ep"),
    ],
)
def test_a_name_is_readable_and_stays_inside_its_folder(text: str, name: str) -> None:
    assert artifacts.words(text) == name


def test_a_folder_is_found_by_its_key_whatever_its_name(tmp_path: Path) -> None:
    made = artifacts.claim(tmp_path, "converted-1", ["ptq-int8"])
    assert made == tmp_path / "ptq-int8"
    assert artifacts.claim(tmp_path, "converted-1", ["another name"]) == made
    renamed = made.rename(tmp_path / "renamed by its user")
    assert artifacts.find(tmp_path, "converted-1") == renamed
    assert artifacts.find(tmp_path, "converted-2") is None
    assert artifacts.find(tmp_path / "nowhere", "converted-1") is None


def test_the_first_free_name_is_taken_and_then_a_hash_added(tmp_path: Path) -> None:
    names = ["ptq-int8", "ptq-int8 digits/scratch"]
    found = [artifacts.claim(tmp_path, key, names).name for key in "abcd"]
    assert found[:2] == ["ptq-int8", "ptq-int8-digits-scratch"]
    assert found[2] == "ptq-int8-digits-scratch-2e7d2c03", "the sha256 of 'c' begins so"
    assert len(set(found)) == 4


def test_never_takes_a_folder_that_something_else_made(tmp_path: Path) -> None:
    (tmp_path / "ptq-int8").mkdir()
    (tmp_path / "ptq-int8" / "notes.txt").write_text("mine")
    (tmp_path / "float32").write_text("a file")
    assert artifacts.claim(tmp_path, "a", ["ptq-int8"]).name == "ptq-int8-ca978112"
    assert artifacts.claim(tmp_path, "b", ["float32"]).name == "float32-3e23e816"
    assert sorted(path.name for path in (tmp_path / "ptq-int8").iterdir()) == ["notes.txt"]


def test_finds_the_folders_of_earlier_versions_which_are_named_by_key(tmp_path: Path) -> None:
    old = tmp_path / "network-0123456789abcdef"
    old.mkdir()
    assert artifacts.find(tmp_path, old.name) == old
    assert artifacts.claim(tmp_path, old.name, ["trained"]) == old


def test_a_folder_that_another_process_still_makes_is_not_found(tmp_path: Path) -> None:
    staging = tmp_path / ".ptq-int8.4711"
    staging.mkdir()
    (staging / artifacts.KEY).write_text("converted-1")
    assert artifacts.find(tmp_path, "converted-1") is None
    assert artifacts.claim(tmp_path, "converted-1", ["ptq-int8"]) == tmp_path / "ptq-int8"


def test_a_process_that_is_faster_with_the_same_name_keeps_it(tmp_path: Path) -> None:
    command = f"""
from pathlib import Path
from cnnbench.probes import artifacts
for key in "abcabc":
    print(artifacts.claim(Path({str(tmp_path)!r}), key, ["x"]).name)
"""
    started = [
        subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    found = {process.communicate()[0] for process in started}
    assert len(found) == 1, "all processes find the same folder for a key"
    assert len(set(found.pop().split())) == 3
    assert len(list(tmp_path.iterdir())) == 3, "nothing else is left behind"


def test_releases_only_a_folder_without_content(tmp_path: Path) -> None:
    empty, full = (artifacts.claim(tmp_path, key, [key]) for key in ("empty", "full"))
    (full / "model.tflite").touch()
    for folder in (empty, full):
        artifacts.release(folder)
    assert not empty.exists()
    assert artifacts.key_of(full) == "full"


def test_a_file_with_random_weights_says_so_in_its_name(tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    assert artifacts.existing(file) == file, "where there is none, its usual name"
    random = artifacts.of_random_weights(file)
    assert random.name == "model.random-weights.tflite"
    random.touch()
    assert artifacts.existing(file) == random
    file.touch()
    assert artifacts.existing(file) == file
