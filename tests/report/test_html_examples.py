"""Example pictures in ``report.html``: embedded from the run's artifacts, and only from there."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnbench.report import html
from cnnbench.results import tables
from tests.records import DIGITS, HOSTILE, Book
from tests.report.browsing import Seen, chromium

SOURCE = re.compile(r'<img src="data:image/png;base64,([^"]*)" width="(\d+)"\s+height="(\d+)"')


def png(value: int, size: tuple[int, int] = (30, 10)) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full(size[::-1], value, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def listed(content: bytes, file: str, image: object = 7) -> dict[str, Any]:
    return {"image": image, "file": file, "sha256": hashlib.sha256(content).hexdigest()}


def page(folder: Path, seeds: dict[int, list[Any]], files: dict[str, bytes]) -> str:
    """Return the page of a run with these lists of pictures per seed, and these files."""
    book = Book()
    for seed, pictures in seeds.items():
        book.record(HOSTILE, DIGITS, seed, {"top1": 0.5}, details={"examples": pictures})
    book.write(folder / "run")
    for name, content in files.items():
        (folder / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "run" / name).write_bytes(content)
    return html.page(tables.load(folder / "run"))


def test_pictures_of_the_first_seed_are_in_the_page(tmp_path: Path) -> None:
    names = [f"artifacts/k/examples/seed-{seed}-image-7.png" for seed in (0, 1)]
    contents = [png(0), png(200)]
    seeds = {seed: [listed(contents[seed], names[seed])] for seed in (1, 0)}
    text = page(tmp_path, seeds, dict(zip(names, contents, strict=True)))
    ((source, width, height),) = SOURCE.findall(text)
    assert base64.b64decode(source) == contents[0]
    assert (width, height) == ("30", "10")
    assert "test image 7: picture, truth and prediction" in text
    assert "top1" not in text.split('id="examples"')[1].split("</section>")[0]
    assert HOSTILE not in text


def test_a_run_without_pictures_has_no_such_section(tmp_path: Path) -> None:
    assert 'id="examples"' not in page(tmp_path, {0: []}, {})


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (listed(png(1), "artifacts/k/gone.png"), "artifacts/k/gone.png: No such file"),
        (listed(png(1), "artifacts/k/other.png"), "its hash differs"),
        (listed(b"<svg/>", "artifacts/k/drawing.png"), "artifacts/k/drawing.png: not a PNG"),
        (listed(png(1), "../outside.png"), "../outside.png: not a path within the run"),
        (listed(png(1), "/etc/hostname"), "/etc/hostname: not a path within the run"),
        (listed(png(1), "linked/outside.png"), "linked/outside.png: Too many levels of symbolic"),
        (listed(b"x" * 100_001, "artifacts/k/large.png"), "File too large"),
        (listed(png(1), ""), "not a path within the run"),
        (listed(png(1), "artifacts/\0.png"), "not a path within the run"),
        ({"file": 3}, "the record names no file"),
        ("picture.png", "the record names no file"),
    ],
)
def test_what_is_not_the_picture_of_the_record_is_left_out_and_said(
    tmp_path: Path, entry: Any, reason: str
) -> None:
    (tmp_path / "outside").mkdir()
    for outside in (tmp_path / "outside.png", tmp_path / "outside" / "outside.png"):
        outside.write_bytes(png(1))
    files = {
        "artifacts/k/other.png": png(2),
        "artifacts/k/drawing.png": b"<svg/>",
        "artifacts/k/large.png": b"x" * 100_001,
    }
    page(tmp_path, {0: [entry]}, files)
    (tmp_path / "run" / "linked").symlink_to(tmp_path / "outside", target_is_directory=True)
    text = html.page(tables.load(tmp_path / "run"))
    section = text.split('id="examples"')[1].split("</section>")[0]
    assert not SOURCE.search(section)
    assert "1 example picture not shown; the first: " in section
    assert reason in section


@pytest.mark.parametrize("examples", [3, "x", {}, None, [None]])
def test_a_list_of_another_shape_does_not_break_the_page(tmp_path: Path, examples: Any) -> None:
    text = page(tmp_path, {0: examples}, {})
    assert ('id="examples"' in text) == (examples == [None])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def test_a_browser_shows_them_and_asks_nobody(browser: Any, tmp_path: Path) -> None:
    name, content = "artifacts/k/examples/seed-0-image-7.png", png(3)
    file = tmp_path / "page.html"
    file.write_text(page(tmp_path, {0: [listed(content, name)]}, {name: content}), "utf-8")
    seen = Seen(browser, file)
    assert seen.page.locator("nav a", has_text="Examples").count() == 1
    width = seen.page.locator("#examples img").evaluate("image => image.naturalWidth")
    assert width == 30
    assert seen.errors == []
    assert [u for u in seen.requests if u != file.as_uri() and not u.startswith("data:")] == []
    seen.page.close()
