"""Anything in place of an annotation file raises only the documented errors."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnbench.data.folder import FOLDER
from cnnbench.errors import JobFailed
from tests.data import annotated
from tests.data.annotated import examples

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 12)
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["00.png", "../x", "cat", "images", "10", "a\nb", "\ud800"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
FOUND = examples(9)
WHOLE = annotated.coco(FOUND, masks=True)


@st.composite
def coco(draw: st.DrawFn) -> Any:
    """Return a COCO file in which some values are anything, or anything at all."""
    if not draw(st.integers(0, 9)):
        return draw(JSON)
    content: Any = json.loads(json.dumps(WHOLE))
    for _ in range(draw(st.integers(1, 6))):
        place = content
        for _ in range(draw(st.integers(0, 4))):
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            inner = [key for key in keys if isinstance(place[key], dict | list) and place[key]]
            if not inner:
                break
            place = place[draw(st.sampled_from(inner))]
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        if draw(st.booleans()):
            place[key] = draw(JSON)
        else:
            del place[key]
        if not place:
            break
    return content


def survives(folder: Path, write: Callable[[Path], object]) -> None:
    """Plan and read a folder after a change of its files; only documented errors may arise."""
    write(folder)
    located = FOLDER.at(str(folder)).locate([])
    assert all("\n" not in note for note in located.notes)
    try:
        splits = annotated.splits(folder)
    except JobFailed as error:
        assert "\n" not in str(error)
        return
    assert all("\n" not in problem for problem in splits.problems)
    for part in (splits.train, splits.test):
        _, objects = part.read_annotated(range(len(part.labels)), 16, 3, "crop")
        assert ((objects.boxes >= 0) & (objects.boxes <= 1)).all()
        assert (objects.labels < len(splits.classes)).all()


@pytest.fixture(scope="module")
def folders() -> Any:
    """Return a folder of each layout, written once."""
    with tempfile.TemporaryDirectory() as temporary:
        top = Path(temporary)
        annotated.write_coco(top / "coco", FOUND)
        annotated.write_voc(top / "voc", FOUND)
        annotated.write_yolo(top / "yolo", FOUND)
        annotated.write_masks(top / "masks", FOUND)
        yield top


@given(content=coco())
@settings(max_examples=150)
def test_any_json_in_place_of_coco(folders: Path, content: Any) -> None:
    (folders / "coco" / "annotations.json").unlink(missing_ok=True)
    file = folders / "coco" / "instances_all.json"
    survives(folders / "coco", lambda _: file.write_text(json.dumps(content)))


TEXT = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")),
    st.lists(
        st.sampled_from(
            ["0", "1", "0.5", "nan", "-1", "9e99", "\n", "x", "<object>", "</object>", "<a>", "&x;"]
        ),
        max_size=30,
    ).map(lambda words: " ".join(words).encode()),
)


@st.composite
def spliced(draw: st.DrawFn, whole: bytes) -> bytes:
    """Return bytes with a part replaced by others."""
    start = draw(st.integers(0, len(whole)))
    end = draw(st.integers(start, len(whole)))
    return whole[:start] + draw(TEXT) + whole[end:]


@given(content=spliced(annotated.voc(FOUND[1]).encode()))
@settings(max_examples=100)
def test_anything_in_place_of_xml(folders: Path, content: bytes) -> None:
    file = folders / "voc" / "Annotations" / "01.xml"
    survives(folders / "voc", lambda _: file.write_bytes(content))


@given(labels=spliced(annotated.yolo(FOUND[1]).encode()), names=spliced(b"names: [cat, dog]\n"))
@settings(max_examples=100)
def test_anything_in_place_of_yolo(folders: Path, labels: bytes, names: bytes) -> None:
    (folders / "yolo" / "data.yaml").write_bytes(names)
    file = folders / "yolo" / "labels" / "01.txt"
    survives(folders / "yolo", lambda _: file.write_bytes(labels))


@given(data=st.data())
@settings(max_examples=100)
def test_anything_in_place_of_a_label_map(folders: Path, data: st.DataObject) -> None:
    whole = (folders / "masks" / "masks" / "00.png").read_bytes()
    content = data.draw(spliced(whole))
    file = folders / "masks" / "masks" / "01.png"
    survives(folders / "masks", lambda _: file.write_bytes(content))
