"""``cnnbench predict`` on folders: natural order, damaged pictures, identities, animations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cnnbench.cli.predict import command
from cnnbench.data.drawing import COLOURS
from cnnbench.errors import UserError
from tests.cli.followed import COUNT, FRAME, detector, frames, places

TRACK = ("--track", "sort[min_hits=1]")


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(detector(tmp_path_factory.mktemp("net") / "net.keras"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return frames(tmp_path / "frames")


def run(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(command, list(map(str, arguments)), env={"CNNBENCH_DATA": None})
    if done.exception is not None:
        raise done.exception
    return done


def written(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_pictures_of_a_folder_are_drawn_in_natural_order(
    net: str, folder: Path, tmp_path: Path
) -> None:
    before = written(tmp_path)
    done = run(net, folder, "--draw", tmp_path / "drawn", "--json")
    found = json.loads(done.stdout)
    names = [f"frame{number + 1}" for number in range(COUNT)]
    assert [one["image"] for one in found] == [f"{folder}/{name}.png" for name in names]
    for number, one in enumerate(found):
        boxes = {each["name"]: each["box_px"] for each in one["objects"]}
        red, green = places(number)
        assert boxes["red"] == pytest.approx(red, abs=2)
        assert boxes["green"] == pytest.approx(green, abs=2)
    assert written(tmp_path) - before == {f"drawn/{name}.png" for name in names}
    with Image.open(tmp_path / "drawn" / "frame1.png") as picture:
        assert picture.size == FRAME


def test_damaged_pictures_of_a_folder_are_left_out_counted_and_named(
    net: str, folder: Path, tmp_path: Path
) -> None:
    whole = (folder / "frame3.png").read_bytes()
    (folder / "frame3.png").write_bytes(whole[: len(whole) // 2])
    (folder / "frame5.png").write_text("no picture")
    (folder / "notes.txt").write_text("not looked at")
    (folder / ".hidden.png").write_bytes(whole)
    (folder / "within").mkdir()
    done = run(net, folder, "--draw", f"{tmp_path}/drawn/")
    (note,) = [line for line in done.stderr.splitlines() if "damaged" in line]
    assert note.startswith(f"cnnbench: 2 damaged pictures of {COUNT} left out: frame")
    assert "frame5.png (cannot be read: not an image)" in note
    assert "frame3.png (cannot be read: " in note
    drawn = written(tmp_path / "drawn")
    assert len(drawn) == COUNT - 2
    assert not drawn & {"frame3.png", "frame5.png"}


def test_a_damaged_picture_that_was_named_is_a_mistake(
    net: str, folder: Path, tmp_path: Path
) -> None:
    (folder / "frame2.png").write_text("no picture")
    with pytest.raises(UserError, match=r"frame2\.png: cannot be read: not an image"):
        run(net, folder / "frame1.png", folder / "frame2.png", "--draw", tmp_path / "drawn")
    assert not (tmp_path / "drawn").exists()


def test_a_folder_of_damaged_pictures_is_a_mistake(net: str, folder: Path) -> None:
    for file in folder.iterdir():
        file.write_text("no picture")
    with pytest.raises(UserError, match=r"no picture can be read: .*and 2 more"):
        run(net, folder)


def test_tracked_objects_keep_their_identity(net: str, folder: Path) -> None:
    done = run(net, folder, *TRACK, "--json")
    for number, frame in enumerate(json.loads(done.stdout)):
        objects = {one["name"]: one for one in frame["objects"]}
        assert [one["track"] for one in frame["objects"]] == [1, 2]
        first = json.loads(done.stdout)[0]["objects"]
        for one in first:
            assert objects[one["name"]]["track"] == one["track"]
        assert objects["red"]["box_px"] == pytest.approx(places(number)[0], abs=2)


def test_printed_objects_have_their_identity(net: str, folder: Path) -> None:
    first, *lines = run(net, folder, "--track", "bytetrack[min_hits=1]").stdout.splitlines()
    assert first == f"{folder}/frame1.png"
    tracks, scores, names = zip(*(line.split()[:3] for line in lines[:2]), strict=True)
    assert tracks == ("#1", "#2")
    assert scores == ("0.90", "0.90")
    assert set(names) == {"red", "green"}


@pytest.mark.parametrize("name", ["followed.gif", "followed.webp", "followed.png", "followed/"])
def test_identities_have_stable_colours_in_animations_and_pictures(
    net: str, folder: Path, tmp_path: Path, name: str
) -> None:
    before = written(tmp_path)
    done = run(net, folder, *TRACK, "--draw", f"{tmp_path}/{name}", "--json")
    tracks = {one["name"]: one["track"] for one in json.loads(done.stdout)[0]["objects"]}
    shown = read(tmp_path / name)
    if name.endswith("/"):
        assert len(written(tmp_path) - before) == COUNT
    else:
        assert written(tmp_path) - before == {name}
    assert len(shown) == COUNT
    for number, pixels in enumerate(shown):
        assert pixels.shape == (FRAME[1], FRAME[0], 3)
        for (top, _, bottom, right), colour in zip(places(number), ("red", "green"), strict=True):
            edge = pixels[(top + bottom) // 2, right - 3 : right + 2]
            wanted = np.array(COLOURS[tracks[colour] - 1])
            assert np.abs(edge - wanted).sum(axis=1).min() < 40


def read(path: Path) -> list[np.ndarray]:
    """Return the frames of an animation, or the pictures of a folder."""
    if path.is_dir():
        files = sorted(path.iterdir(), key=lambda file: int(file.stem.removeprefix("frame")))
        return [np.asarray(Image.open(file).convert("RGB")).astype(int) for file in files]
    found = []
    with Image.open(path) as animation:
        assert animation.n_frames == COUNT  # type: ignore[attr-defined]
        for number in range(COUNT):
            animation.seek(number)
            found.append(np.asarray(animation.convert("RGB")).astype(int))
    return found


def test_rejects_frames_of_different_size(net: str, folder: Path) -> None:
    Image.new("RGB", (30, 20)).save(folder / "frame4.png")
    words = "frame1.png has 64 x 48 px and frame4.png 30 x 20 px"
    with pytest.raises(UserError, match=f"--track: frames of one sequence .*{words}"):
        run(net, folder, *TRACK)
    assert "frame4.png" in run(net, folder).stdout, "without a tracker they need not be equal"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("empty",), "empty: no pictures in this folder (the names of pictures end in .bmp"),
        (("frames", "frames", *TRACK), "--track: the frames of a sequence are in one folder"),
        (("frames", "frames/frame1.png", *TRACK), "--track: the frames of a sequence are in one"),
        (("frames/frame1.png", *TRACK), "--track: one image is no sequence"),
        (("frames", "--track", "sorted"), "--track: unknown tracker 'sorted' (did you mean"),
        (("frames", "--track", "sort[age=3]"), "--track: sort has no parameter 'age'"),
        (("frames", "--draw", "out.gif"), "--draw: one file, 'out.gif', for 12 images (name a"),
        (("frames", "--draw", "out.png"), "with --track a .gif, .webp or .png is animated"),
        (("frames", "--draw", "frames"), "--draw: frames is the folder of the images"),
        (("frames", *TRACK, "--draw", "frames/x.gif"), "--draw: frames is the folder of the"),
        (("frames", *TRACK, "--draw", "out.jpg"), "--draw: one file, 'out.jpg', for 12 images"),
        (("frames", *TRACK, "--draw", "nowhere/x.gif"), "--draw: no such folder nowhere"),
        (("frames", "--draw", "file"), "--draw: one file, 'file', for 12 images"),
        (("frames", "--draw", "file/"), "--draw: 'file/' is no folder"),
        (("frames", "same", "--draw", "out"), "would both be drawn in out/frame1.png"),
    ],
)
def test_reports_a_mistake_before_anything_is_predicted(
    net: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    frames(tmp_path / "same", 1)
    monkeypatch.chdir(tmp_path)
    before = written(tmp_path)
    with pytest.raises(UserError) as raised:
        run(net, *arguments)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert written(tmp_path) == before


def test_rejects_tracking_by_a_network_that_finds_no_boxes(folder: Path) -> None:
    words = "LeNet5 is a network for classification; trackers link the boxes of a detector"
    with pytest.raises(UserError, match=f"--track: .*{words}"):
        run("LeNet5", folder, *TRACK)


def test_top_limits_tracked_objects_only_if_it_is_given(net: str, folder: Path) -> None:
    found = json.loads(run(net, folder, *TRACK, "--top", "1", "--json").stdout)
    assert [len(frame["objects"]) for frame in found] == [1] * COUNT
