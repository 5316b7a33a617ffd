"""Animated files: their frames, pace and size."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnbench.data import animation
from cnnbench.errors import UserError


def frames(count: int = 3, size: tuple[int, int] = (20, 10)) -> list[Image.Image]:
    pictures = []
    for number in range(count):
        pixels = np.zeros((size[1], size[0], 3), np.uint8)
        pixels[:, number] = (255, 0, 0)
        pictures.append(Image.fromarray(pixels))
    return pictures


@pytest.mark.parametrize("suffix", [".gif", ".GIF", ".webp", ".png"])
def test_an_animation_has_all_frames_and_repeats(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"moving{suffix}"
    animation.write(iter(frames()), file)
    with Image.open(file) as found:
        assert found.format == suffix[1:].upper()
        assert found.n_frames == 3  # type: ignore[attr-defined]
        assert found.info["loop"] == 0
        for number in range(3):
            found.seek(number)
            found.load()
            assert found.info["duration"] == animation.FRAME_MS
            assert np.asarray(found.convert("RGB"))[5].argmax(axis=0)[0] == number
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_what_has_not_changed_is_not_stored_again(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 61, 3), np.uint8)
    shown = []
    for number in range(4):
        pixels = noise.copy()
        pixels[3 + number : 9 + number, 5 : 8 + number] = 255
        shown.append(pixels)
    shown.append(shown[-1])  # nothing has changed
    one, all_ = tmp_path / f"one{suffix}", tmp_path / f"all{suffix}"
    animation.write([Image.fromarray(shown[0])], one)
    animation.write(map(Image.fromarray, shown), all_)
    assert all_.stat().st_size < 1.6 * one.stat().st_size
    with Image.open(all_) as found:
        assert found.n_frames == 5  # type: ignore[attr-defined]
        for number, pixels in enumerate(shown):
            found.seek(number)
            difference = np.asarray(found.convert("RGB")).astype(int) - pixels
            assert np.abs(difference).max() <= (80 if suffix == ".gif" else 0)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_frames_are_not_held_in_memory(tmp_path: Path, suffix: str) -> None:
    known: list[weakref.ref[Image.Image]] = []

    def watched() -> Iterator[Image.Image]:
        for frame in frames(8):
            picture = frame.copy()
            known.append(weakref.ref(picture))
            yield picture
            del picture
            assert sum(one() is not None for one in known) <= 2

    animation.write(watched(), tmp_path / f"moving{suffix}")
    assert len(known) == 8


def test_large_frames_are_reduced_in_proportion(tmp_path: Path) -> None:
    animation.write(frames(2, (1920, 100)), tmp_path / "large.png")
    with Image.open(tmp_path / "large.png") as found:
        assert found.size == (960, 50)


def test_a_file_that_cannot_be_written_is_a_mistake_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken.gif").mkdir()
    with pytest.raises(UserError, match=r"taken\.gif: cannot be written: "):
        animation.write(frames(), tmp_path / "taken.gif")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.gif"]
