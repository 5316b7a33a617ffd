"""``cnnbench show``: sheets of annotated examples, and invalid input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cnnbench.api.example_sheets import examples
from cnnbench.api.show import show
from cnnbench.cli.show import command
from cnnbench.data import drawing
from cnnbench.data.drawing import COLOURS
from cnnbench.data.scenes import Recipe, generate
from cnnbench.errors import UserError

GAP = 6  # px around the pictures of a sheet


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, list(map(str, arguments)), env={"CNNBENCH_DATA": None})


def test_shows_scenes_with_boxes_and_masks(tmp_path: Path) -> None:
    file = tmp_path / "sheet.png"
    done = run("scenes[objects=1]", "--out", file, "--count", "4")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{file}: 4 train images of scenes[objects=1], 112 x 112 px\n"
    with Image.open(file) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape == (2 * 224 + 3 * GAP, 2 * 224 + 3 * GAP, 3)
    scene = generate.scene(Recipe((1, 1)), generate.garments_of("train"), 1, 0)
    ((top, left, bottom, right),) = scene.boxes
    box = pixels[GAP + 2 * top : GAP + 2 * bottom, GAP + 2 * left : GAP + 2 * right]
    colour = COLOURS[scene.labels[0]]
    assert (box[-1] == colour).all() and (box[:, -1] == colour).all()
    # The pixels of the mask have 40 % of the colour; ground is grey.
    inner = scene.instances[top + 15 : bottom - 3, left + 3 : right - 3] == 1
    grey = scene.image[top + 15 : bottom - 3, left + 3 : right - 3]
    drawn = box[30:-6:2, 6:-6:2].astype(float)
    mixed = 0.6 * grey[..., None] + 0.4 * np.array(colour)
    assert np.abs(drawn - mixed)[inner].max() <= 1
    assert (drawn == grey[..., None])[~inner].all()


def test_examples_without_objects_have_their_class_below(tmp_path: Path) -> None:
    done = run("fashion_mnist", "--out", tmp_path / "sheet.png", "--count", "3", "--split", "test")
    assert done.exit_code == 0, done.output
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.width == 2 * 224 + 3 * GAP
        assert picture.height > 2 * 224 + 3 * GAP  # room for the names
        below = np.asarray(picture.convert("L"))[GAP + 224 : GAP + 234, GAP : GAP + 100]
    assert (below < 100).any()


def test_shows_a_folder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, colour in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(6):
            shade = tuple(max(0, value - number) for value in colour)
            file = tmp_path / "photos" / name / f"{number}.png"
            Image.new("RGB", (40, 30), shade).save(file)
    monkeypatch.chdir(tmp_path)
    done = run("folder:photos", "--out", "sheet", "--size", "32", "--count", "100")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("sheet: 10 train images of folder:photos, 32 x 32 px")
    with Image.open("sheet") as picture:  # PNG without an ending
        assert picture.format == "PNG"
        colours = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    assert (colours == (255, 0, 0)).all(axis=1).any()


def coco(folder: Path, names: list[str], count: int) -> None:
    """Write a folder with grey pictures, each with ``count`` boxes in a row, in COCO's format."""
    folder.mkdir()
    numbers = range(1, 9)
    for number in numbers:  # of different colours, or they would be copies
        Image.new("RGB", (224, 224), (60, 60, 60 + number)).save(folder / f"{number}.png")
    boxes = [[5 + 5 * place, 100, 4, 100] for place in range(count)]
    content = {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": 224, "height": 224} for n in numbers
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names, 1)],
        "annotations": [
            {"id": 100 * n + place, "image_id": n, "category_id": 1, "bbox": box, "iscrowd": 0}
            for n in numbers
            for place, box in enumerate(boxes)
        ],
    }
    (folder / "instances.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("names", "count", "are_named", "colours"),
    [(["cell", "seed"], 3, True, 1), (["cell", "seed"], 40, False, 1), (["cell"], 3, False, 3)],
)
def test_names_are_left_out_where_they_say_nothing_or_hide_the_image(
    names: list[str],
    count: int,
    are_named: bool,
    colours: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    coco(tmp_path / "cells", names, count)
    picture = examples("folder:cells", 1, "train", 224, None).picture
    pixels = np.asarray(picture)[GAP:-GAP, GAP:-GAP]
    above = pixels[80:100]
    assert (above[..., :2] != 60).any() == are_named
    found = [colour for colour in COLOURS if (pixels[101:200] == colour).all(axis=-1).any()]
    assert found == list(COLOURS[:colours])


@pytest.mark.parametrize(
    ("ending", "expected"),
    [(".jpg", "JPEG"), (".PNG", "PNG"), (".webp", "WEBP"), (".tiff", "TIFF")],
)
def test_the_ending_says_the_format(ending: str, expected: str, tmp_path: Path) -> None:
    file = tmp_path / f"sheet{ending}"
    show("scenes[px=32]", file, count=2)
    with Image.open(file) as picture:
        assert picture.format == expected


def test_a_sheet_that_is_too_large_for_a_format_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.webp"
    with pytest.raises(UserError, match=r"20000 x 2 px cannot be written as WEBP: .*\.png"):
        drawing.write(Image.new("RGB", (20_000, 2)), file, "WEBP", "choose a smaller --count")
    assert not file.exists()


def test_the_sheet_is_the_same_each_time() -> None:
    once, again = (examples("scenes[px=32]", 3, "test", None, None).picture for _ in range(2))
    assert once.tobytes() == again.tobytes()


def test_another_size_shows_the_scenes_as_a_network_of_it_sees_them() -> None:
    sheet = examples("scenes", 1, "train", 56, None)
    assert sheet.picture.size == (4 * 56 + 2 * GAP, 4 * 56 + 2 * GAP)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["scenez", "--out", "a.png"], "'scenez': unknown data set (did you mean 'scenes'?)"),
        (["scenes[px=1]", "--out", "a.png"], "px=1 of scenes is out of range"),
        (["folder:nowhere", "--out", "a.png"], "no folder 'nowhere'"),
        (["scenes", "--out", "no/a.png"], "no/a.png: the folder no does not exist"),
        (["scenes", "--out", "a.xyz"], "unknown type of picture '.xyz' (one of: .png, .jpg"),
        (["scenes", "--out", "taken"], "taken: is a folder (name a picture file)"),
        (["scenes", "--out", "taken/" + "x" * 300], "cannot be written: File name too long"),
        (["scenes"], "Missing option '--out'"),
        (["scenes", "--out", "a.png", "--count", "0"], "--count"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_file(
    arguments: list[str], complaint: str, tmp_path: Path
) -> None:
    (tmp_path / "taken").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "cnnbench", "show", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode in (1, 2)
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert [path.name for path in tmp_path.rglob("*")] == ["taken"]
