"""``cnnbench predict`` with localisers: boxes in the whole picture, printed and drawn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cnnbench.cli.predict import command
from cnnbench.data.drawing import COLOURS
from cnnbench.models.file_facts import FileFacts
from tests.conftest import ROOT
from tests.processes import HANGS_AFTER_S

SIDE = 64
Box = tuple[int, int, int, int]  # top, left, bottom, right in px; bottom and right are beyond

NETS = """
import tensorflow as tf

L = tf.keras.layers


def small(input_shape=(16, 16, 3), classes=10, include_top=True):
    inputs = tf.keras.Input(input_shape)
    x = L.Conv2D(4, 3, activation="relu")(inputs)
    if include_top:
        x = L.Dense(classes, activation="softmax")(L.GlobalAveragePooling2D()(x))
    return tf.keras.Model(inputs, x)
"""


def finder(file: Path, fit: Any = None, names: tuple[str, ...] = ("wide", "tall")) -> Path:
    """Write a network that finds a white rectangle on a dark ground exactly.

    The largest value of every column is 1 inside the rectangle and 0 beside it. Their mean is the
    width; where they are, by a softmax, the centre.
    """
    import keras

    inputs = keras.Input((SIDE, SIDE, 1))
    bright = keras.layers.ReLU()(keras.layers.Rescaling(4 / 255, -3)(inputs))  # grey counts as dark
    places = ((np.arange(SIDE) + 0.5) / SIDE)[:, None]
    found = []
    for pool in ((SIDE, 1), (1, SIDE)):
        profile = keras.layers.Flatten()(keras.layers.MaxPooling2D(pool)(bright))
        where = keras.layers.Softmax()(keras.layers.Rescaling(100.0)(profile))
        of_place, of_size = (
            keras.layers.Dense(1, use_bias=False, kernel_initializer=_constant(kernel))
            for kernel in (places, np.full((SIDE, 1), 1 / SIDE))
        )
        found.append((of_place(where), of_size(profile)))
    (x, width), (y, height) = found
    boxes = keras.layers.Concatenate()([x, y, width, height])
    kernel = np.array([[0, 0], [0, 0], [20, -20], [-20, 20]])  # width against height
    classes = keras.layers.Dense(2, "softmax", kernel_initializer=_constant(kernel))(boxes)
    keras.Model(inputs, {"boxes": boxes, "classes": classes}).save(file)
    FileFacts("localization", names, fit=fit).write(file)
    return file


def _constant(kernel: np.ndarray) -> Any:
    import keras

    return keras.initializers.Constant(kernel.tolist())


def picture(size: tuple[int, int], box: Box, ground: int = 20) -> Image.Image:
    """Return a picture of ``size``, width and height, with a white rectangle."""
    pixels = np.full(size[::-1], ground, np.uint8)
    pixels[box[0] : box[2], box[1] : box[3]] = 255
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(finder(tmp_path_factory.mktemp("nets") / "finder.keras"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, list(map(str, arguments)), env={"CNNBENCH_DATA": None})


def predicted(*arguments: object) -> list[dict[str, Any]]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.exception
    return json.loads(done.stdout)


def refused(*arguments: object) -> str:
    done = run(*arguments)
    assert done.exception is not None
    assert "\n" not in str(done.exception)
    return str(done.exception)


# Pictures are larger than the input, whose pixels at an edge of the rectangle are half as bright.
def test_prints_and_draws_the_box_in_the_picture(net: str, tmp_path: Path) -> None:
    box = (16, 64, 32, 192)
    picture((256, 128), box).save(tmp_path / "a.png")
    (found,) = predicted(net, tmp_path / "a.png", "--draw", tmp_path / "out.png")
    wide, tall = found["objects"]
    assert (wide["number"], wide["name"], tall["name"]) == (0, "wide", "tall")
    assert wide["probability"] > 0.9
    assert wide["box_px"] == pytest.approx(box, abs=2)
    sizes = np.array([128, 256, 128, 256])
    assert wide["box"] * sizes == pytest.approx(wide["box_px"], abs=0.06)

    with Image.open(tmp_path / "out.png") as drawn:
        assert (drawn.format, drawn.mode, drawn.size) == ("PNG", "RGB", (256, 128))
        pixels = np.asarray(drawn).astype(int)
    frame = (pixels == COLOURS[0]).all(axis=-1)
    rows, columns = np.flatnonzero(frame.sum(1) > 100), np.flatnonzero(frame.sum(0) >= 12)
    top, left, bottom, right = map(round, wide["box_px"])
    assert (columns.min(), columns.max(), rows.max()) == (left, right - 1, bottom - 1)
    assert top in rows
    assert (pixels[24, 128], pixels[100, 128]) == pytest.approx((255, 20)), "the rest is untouched"


@pytest.mark.slow
def test_as_a_command_it_prints_one_line_a_prediction(net: str, tmp_path: Path) -> None:
    picture((64, 64), (8, 16, 56, 32)).save(tmp_path / "a.png")
    arguments = ["predict", net, "a.png", "--top", "1", "--draw", "out.jpg"]
    done = subprocess.run(
        [sys.executable, "-m", "cnnbench", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_S,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "a.png\n  100.0 %  tall  (top 8, left 16, bottom 56, right 32 px)\n"
    with Image.open(tmp_path / "out.jpg") as drawn:
        assert (drawn.format, drawn.size) == ("JPEG", (64, 64))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_follows_the_orientation_of_a_camera(net: str, tmp_path: Path, orientation: int) -> None:
    box = (16, 64, 32, 192)
    upright = picture((256, 128), box)
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # the viewer turns it back, by 270 degrees
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(turns[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95)
    (found,) = predicted(net, tmp_path / "a.jpg", "--draw", tmp_path / "out.png")
    assert found["objects"][0]["box_px"] == pytest.approx(box, abs=3)
    with Image.open(tmp_path / "out.png") as drawn:
        assert drawn.size == (256, 128)
        assert drawn.getexif().get(0x0112, 1) == 1
        inside, outside = (drawn.convert("L").getpixel(place) for place in ((128, 24), (128, 100)))
    assert inside > 200 and outside < 60


@pytest.mark.parametrize(
    ("fit", "box", "expected"),
    [
        # The crop shows columns 64 to 192 of 256: what is left of the box there.
        ("crop", (16, 32, 48, 128), (16, 64, 48, 128)),
        ("letterbox", (16, 32, 48, 128), (16, 32, 48, 128)),
        ("stretch", (16, 32, 48, 128), (16, 32, 48, 128)),
    ],
)
def test_fits_pictures_as_the_training_of_the_file_did(
    fit: str, box: Box, expected: Box, tmp_path: Path
) -> None:
    net = finder(tmp_path / "net.keras", fit)
    picture((256, 128), box).save(tmp_path / "a.png")
    (found,) = predicted(net, tmp_path / "a.png")
    assert found["objects"][0]["box_px"] == pytest.approx(expected, abs=2)


def test_reads_sixteen_bits_and_transparency(net: str, tmp_path: Path) -> None:
    box = (16, 64, 32, 192)
    deep = np.asarray(picture((256, 128), box)).astype(np.uint16) * 16  # 12 bits
    Image.fromarray(deep).save(tmp_path / "deep.png")
    alpha = Image.eval(picture((256, 128), box, ground=0), lambda value: 255 - value)
    clear = Image.merge("RGBA", [*Image.new("RGB", (256, 128)).split(), alpha])
    clear.save(tmp_path / "clear.png")
    done = run(net, tmp_path / "deep.png", tmp_path / "clear.png", "--json", "--draw", tmp_path)
    assert done.exit_code == 1, "a picture would be drawn over itself"
    arguments = (net, tmp_path / "deep.png", tmp_path / "clear.png")
    for found in predicted(*arguments, "--draw", f"{tmp_path}/out/"):
        assert found["objects"][0]["box_px"] == pytest.approx(box, abs=3)
    for name in ("deep", "clear"):
        with Image.open(tmp_path / "out" / f"{name}.png") as drawn:
            assert (drawn.mode, drawn.size) == ("RGB", (256, 128))
            assert drawn.getpixel((128, 24)) == pytest.approx((255, 255, 255), abs=2)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 1)])
def test_accepts_a_picture_of_a_few_pixels(net: str, size: tuple[int, int], tmp_path: Path) -> None:
    picture(size, (0, 0, 1, 1)).save(tmp_path / "a.png")
    (found,) = predicted(net, tmp_path / "a.png", "--draw", tmp_path / "out.png")
    top, left, bottom, right = found["objects"][0]["box"]
    assert 0 <= top <= bottom <= 1 and 0 <= left <= right <= 1
    with Image.open(tmp_path / "out.png") as drawn:
        assert drawn.size == size


def test_draws_several_pictures_into_a_folder(net: str, tmp_path: Path) -> None:
    names = ["a.png", "b.jpg", "c d.png"]
    for place, name in enumerate(names):
        picture((64, 64), (16, 8 * place, 32, 8 * place + 32)).save(tmp_path / name)
    found = predicted(net, *(tmp_path / name for name in names), "--draw", tmp_path / "out")
    assert [Path(one["image"]).name for one in found] == names
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "a.png", "b.png", "c d.png",
    ]  # fmt: skip
    lefts = [one["objects"][0]["box_px"][1] for one in found]
    assert lefts == pytest.approx([0, 8, 16], abs=1)


def test_refuses_a_place_where_nothing_can_be_drawn_before_predicting(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for name in ("a.png", "b.png", "x/a.jpg"):
        picture((8, 8), (0, 0, 4, 4)).save(tmp_path / name)
    a, b, other = (tmp_path / name for name in ("a.png", "b.png", "x/a.jpg"))
    net = finder(tmp_path / "net.keras")
    cases = {
        (a, b, "--draw", tmp_path / "o.png"): "for 2 images (name a folder: FOLDER/)",
        (a, b, "--draw", net): "for 2 images (name a folder: FOLDER/)",
        (a, "--draw", tmp_path / "o.gif"): "is no kind of image file (end it in one of .png, .jpg",
        (a, "--draw", tmp_path / "nowhere/o.png"): f"no such folder {tmp_path}/nowhere (create it)",
        (a, "--draw", f"{a}/"): "is no folder",
        (a, "--draw", a): "a.png is one of the images (choose another place)",
        (a, "--draw", f"{tmp_path}/"): "a.png is one of the images (choose another place)",
        (a, other, "--draw", tmp_path / "out"): "would both be drawn in",
        (tmp_path / "nowhere.png", "--draw", tmp_path / "o.png"): "cannot be read: No such file",
    }
    for arguments, words in cases.items():
        assert words in refused(net, *arguments)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png", "net.keras", "x"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_says_that_a_drawing_cannot_be_written(net: str, tmp_path: Path) -> None:
    picture((8, 8), (0, 0, 4, 4)).save(tmp_path / "a.png")
    (tmp_path / "out").mkdir(mode=0o500)
    words = refused(net, tmp_path / "a.png", "--draw", tmp_path / "out")
    assert "cannot be written: Permission denied" in words


def test_a_classifier_draws_its_class_as_a_caption(tmp_path: Path) -> None:
    import keras

    layers = [keras.layers.Flatten(), keras.layers.Dense(2, "softmax")]
    keras.Sequential([keras.Input((8, 8, 3)), *layers]).save(tmp_path / "net.keras")
    FileFacts(classes=("cat", "dog")).write(tmp_path / "net.keras")
    Image.new("RGB", (320, 200), (10, 20, 30)).save(tmp_path / "a.png")
    (found,) = predicted(tmp_path / "net.keras", tmp_path / "a.png", "--draw", tmp_path / "o.png")
    assert {one["name"] for one in found["classes"]} == {"cat", "dog"}
    with Image.open(tmp_path / "o.png") as drawn:
        pixels = np.asarray(drawn)
    changed = (pixels != (10, 20, 30)).any(axis=-1)
    assert changed[:20].any() and not changed[60:].any(), "a line at the top"
    assert (pixels[2, 2] == COLOURS[0]).all()


def test_refuses_a_head_without_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cnnbench.models import registry

    monkeypatch.chdir(tmp_path)
    Path("backbones.py").write_text(NETS)
    picture((16, 16), (4, 4, 8, 8)).save("a.png")
    name = "backbones.py:small+box[classes=2]"
    model = registry.resolve(name, [tmp_path])
    model.build(include_top=False).save_weights("backbone.weights.h5")
    whole = model.build()
    whole.save_weights("whole.weights.h5")
    untrained = "the head of backbones:small+box[classes=2] is untrained: "
    assert untrained + "no weights are published for it" in refused(name, "a.png")
    assert untrained + "no weights" in refused(name, "a.png", "--weights", "imagenet")
    words = refused(name, "a.png", "--weights", "backbone.weights.h5")
    assert "has weights of the backbone alone (give weights of the whole network" in words
    assert words.startswith(untrained)
    assert "do not fit" in refused(name, "a.png", "--weights", "backbones.py")

    (found,) = predicted(name, "a.png", "--weights", "whole.weights.h5", "--top", "2")
    pixels = np.asarray(Image.open("a.png").convert("RGB"), np.float32)[None] / 255
    answers = whole(pixels)
    x, y, width, height = np.asarray(answers["boxes"])[0]
    expected = np.clip([y - height / 2, x - width / 2, y + height / 2, x + width / 2], 0, 1)
    assert found["objects"][0]["box"] == pytest.approx(expected, abs=1e-4)
    assert found["objects"][0]["name"].startswith("class ")


@pytest.mark.slow
def test_a_network_kept_by_a_run_needs_nothing_else(tmp_path: Path) -> None:
    from cnnbench.models import registry
    from cnnbench.probes.accuracy import run as accuracy
    from cnnbench.probes.accuracy.settings import AccuracySetting
    from cnnbench.probes.interface import Context

    (tmp_path / "kept_backbones.py").write_text(NETS)
    model = registry.resolve(
        "kept_backbones.py:small+box[input_shape=32x32x1,classes=10]", [tmp_path]
    )
    setting = AccuracySetting(
        dataset="scenes[objects=1,px=32,sides=14-28]", task="localization", image_size=32,
        epochs=1, train_examples=200, test_examples=20, fit="letterbox", keep_weights=True,
    )  # fmt: skip
    accuracy.run(model, setting, Context(0, tmp_path, tmp_path))
    kept = registry.resolve("seed-0.keras", [tmp_path])
    assert (kept.task, kept.classes, kept.entry.fit) == ("localization", 10, "letterbox")

    picture((64, 32), (8, 16, 24, 48)).save(tmp_path / "a.png")
    (found,) = predicted(
        tmp_path / "seed-0.keras", tmp_path / "a.png", "--draw", tmp_path / "o.png"
    )
    assert {one["name"] for one in found["objects"]} < set(kept.entry.class_names)
    # The picture fills rows 8 to 24 of the input; above and below is grey.
    pixels = np.full((1, 32, 32, 1), 127, np.float32)
    pixels[0, 8:24, :, 0] = np.asarray(
        Image.open(tmp_path / "a.png").resize((32, 16), Image.Resampling.BILINEAR)
    )
    x, y, width, height = np.asarray(kept.build()(kept.preprocess(pixels))["boxes"])[0]
    in_input = np.clip([y - height / 2, x - width / 2, y + height / 2, x + width / 2], 0, 1)
    edges = [2 * in_input[0] - 0.5, in_input[1], 2 * in_input[2] - 0.5, in_input[3]]
    assert found["objects"][0]["box"] == pytest.approx(np.clip(edges, 0, 1), abs=1e-4)


def test_shows_boxes_in_a_notebook(net: str, tmp_path: Path) -> None:
    import cnnbench

    picture((64, 64), (16, 16, 32, 48)).save(tmp_path / "a.png")
    found = cnnbench.predict(net, [tmp_path / "a.png"], top=1, draw=tmp_path / "o.png")
    assert "<th>Image</th><th>Class</th><th>Probability</th><th>Box</th>" in found._repr_html_()
    assert "top 16, left 16, bottom 32, right 48 px" in str(found)
    assert (tmp_path / "o.png").is_file()
