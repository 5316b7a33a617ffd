"""`docs/chapter_14.md` covers the chapter; its commands and Python run in `test_documented`."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "chapter_14.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (14\.\d+) [^\n]+\n(.*?)(?=^## )", TEXT, re.DOTALL | re.MULTILINE))
LARGEST_PICTURE = 150_000  # bytes


def test_the_sections_are_those_of_the_chapter_in_its_order() -> None:
    assert list(SECTIONS) == [f"14.{number}" for number in range(1, 13)]


@pytest.mark.parametrize("number", SECTIONS)
def test_every_section_has_commands_or_python_with_its_output(number: str) -> None:
    section = SECTIONS[number]
    assert re.search(r"^cnnbench \w+ ", section, re.MULTILINE) or "```python" in section
    code, outputs = (
        re.findall(r"^```python$", section, re.M),
        re.findall(r"^```output$", section, re.M),
    )
    assert len(code) == len(outputs) > 0  # nothing is stated that is not printed


def test_every_erratum_is_said_where_it_belongs_and_listed() -> None:
    listed = re.findall(r"^- \[(14\.\d+)\]", TEXT.rpartition("## Errata")[2], re.MULTILINE)
    said = [number for number, section in SECTIONS.items() for _ in re.findall("Erratum", section)]
    assert sorted(set(listed) - {"14.2"}) == sorted(set(said))
    for words in ("SMOTE", "MeanIoU", "data_augmentation"):
        assert words in TEXT.rpartition("## Errata")[2]


def test_its_pictures_are_small() -> None:
    pictures = list((ROOT / "docs").glob("chapter_14*.*g"))
    assert len(pictures) == 2
    assert all(picture.stat().st_size < LARGEST_PICTURE for picture in pictures), pictures
