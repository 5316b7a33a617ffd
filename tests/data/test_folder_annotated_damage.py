"""Annotated pictures with mistakes: each is named and counted, and the others are used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data import annotated
from tests.data.annotated import examples

LAYOUTS = {
    "coco": (annotated.write_coco, "images"),
    "voc": (annotated.write_voc, "JPEGImages"),
    "yolo": (annotated.write_yolo, "images"),
    "masks": (annotated.write_masks, "images"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_damaged_and_repeated_pictures_are_named(layout: str, tmp_path: Path) -> None:
    write, pictures = LAYOUTS[layout]
    write(tmp_path, examples(10))
    folder = tmp_path / pictures
    (folder / "00.png").write_bytes((folder / "00.png").read_bytes()[:-30])
    (folder / "01.png").write_text("no picture")
    same = Image.open(folder / "02.png").resize(examples()[3].size[::-1])
    same.save(folder / "03.png")
    (folder / "04.png").write_bytes((folder / "02.png").read_bytes())
    splits = annotated.splits(tmp_path)
    problems = sorted(splits.problems)
    assert problems[0].startswith(f"{pictures}/00.png: unreadable (")
    assert problems[1] == f"{pictures}/01.png: not an image"
    # 04.png has another size than its annotations state, unless they state none.
    assert problems[2].startswith(f"{pictures}/04.png: ")
    assert ("duplicate of" in problems[2]) == (layout == "yolo")
    assert len(problems) == 3
    assert len(splits.train.labels) + len(splits.test.labels) == 7


BOMB = (
    '<!DOCTYPE lolz [<!ENTITY l0 "lol">'
    + "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    + "]><annotation><filename>&l9;</filename></annotation>"
)
VOC = {
    "cut": (lambda text: text[:-40], "Annotations/01.xml: no element found", 1),
    "bomb": (lambda text: BOMB, "Annotations/01.xml: EntitiesForbidden", 1),
    "large bomb": (
        lambda text: BOMB.replace('"lol"', f'"{"lol" * 3_500_000}"'),
        "Annotations/01.xml: EntitiesForbidden",
        1,
    ),
    "file": (
        lambda text: (
            '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
            "<annotation><filename>&x;</filename></annotation>"
        ),
        "EntitiesForbidden",
        1,
    ),
    "deep": (lambda text: "<annotation>" * 50_000, "Annotations/01.xml: no element found", 1),
    "other": (lambda text: "<html></html>", "its root is <html>, not <annotation>", 1),
    "binary": (lambda text: "\0\1\2", "Annotations/01.xml: not well-formed", 1),
    "no box": (
        lambda text: text.replace("bndbox", "polygon", 2),
        "object 1 (dog): without a bndbox",
        0,
    ),
    "no name": (
        lambda text: text.replace("<name>dog</name>", "", 1),
        "object 1: without a name",
        0,
    ),
    "text": (lambda text: text.replace("<xmin>", "<xmin>x", 1), "is not a number", 0),
    "nan": (
        lambda text: text.replace("<ymin>", "<ymin>nan</ymin><ymin>", 1),
        "nan is not a finite number",
        0,
    ),
    "turned": (
        lambda text: text.replace("xmin", "q").replace("xmax", "xmin").replace("q>", "xmax>"),
        "a box of no area",
        1,
    ),
    "upwards": (
        lambda text: text.replace(">01.png", ">../../../etc/passwd"),
        "'../../../etc/passwd' leads out of the folder",
        1,
    ),
}


@pytest.mark.parametrize("case", VOC)
def test_a_mistake_in_voc_is_named(case: str, tmp_path: Path) -> None:
    change, problem, lost = VOC[case]
    annotated.write_voc(tmp_path, examples())
    file = tmp_path / "Annotations" / "01.xml"
    file.write_text(change(file.read_text()))
    splits = annotated.splits(tmp_path)
    assert any(problem in line for line in splits.problems), splits.problems
    assert len(splits.train.labels) + len(splits.test.labels) == 10 - lost


def test_voc_pictures_are_found_by_the_name_of_the_file_too(tmp_path: Path) -> None:
    annotated.write_voc(tmp_path, examples())
    for index, name in ((1, "renamed.png"), (2, ""), (3, "03")):
        file = tmp_path / "Annotations" / f"{index:02}.xml"
        file.write_text(file.read_text().replace(f"<filename>{index:02}.png", f"<filename>{name}"))
    (tmp_path / "JPEGImages" / "04.png").unlink()
    annotated.paint(tmp_path / "JPEGImages" / "bare.png", examples()[4])
    splits = annotated.splits(tmp_path)
    (problem,) = splits.problems
    assert problem == "Annotations/04.xml: there is no picture '04.png'"
    assert "1 pictures without a file in Annotations/: not used" in splits.notes


YOLO = {
    "class": ("7 0.5 0.5 0.2 0.2", "line 1: of an unknown class 7"),
    "word": ("cat 0.5 0.5 0.2 0.2", "line 1: class 'cat' is not a number"),
    "text": ("0 x 0.5 0.2 0.2", "line 1: 'x' is not a number"),
    "nan": ("0 nan 0.5 0.2 0.2", "line 1: nan is not a finite number"),
    "pixels": ("0 60 40 20 20", "line 1: a box outside the picture"),
    "partly": ("0 0.0 0.5 0.4 0.2", "line 1: a box beyond the edge of the picture: clipped"),
    "no area": ("0 0.5 0.5 0 0.2", "line 1: a box of no area"),
    "score": ("0 0.5 0.5 0.2 0.2 0.9", "6 numbers are neither a box (5) nor a polygon"),
    "doubled": ("0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2", "line 2: doubled, the same class"),
}


@pytest.mark.parametrize("case", YOLO)
def test_a_mistake_in_yolo_is_named(case: str, tmp_path: Path) -> None:
    text, problem = YOLO[case]
    annotated.write_yolo(tmp_path, examples())
    (tmp_path / "labels" / "01.txt").write_text(f"{text}\n\n1 0.2 0.2 0.1 0.1\n")
    splits = annotated.splits(tmp_path)
    (line,) = splits.problems
    assert line.startswith("labels/01.txt: ") and problem in line
    assert len(splits.train.labels) + len(splits.test.labels) == 10


def test_yolo_files_without_each_other(tmp_path: Path) -> None:
    annotated.write_yolo(tmp_path, examples())
    (tmp_path / "images" / "00.png").unlink()
    (tmp_path / "labels" / "01.txt").unlink()  # a picture without objects
    (tmp_path / "labels" / "02.txt").write_bytes(b"\xff\xfe\x00\x01")
    annotated.paint(tmp_path / "images" / "03.bmp", examples()[3])
    splits = annotated.splits(tmp_path)
    assert sorted(line.partition(" ")[0] for line in splits.problems) == [
        "03.png:",
        "labels/00.txt:",
        "labels/02.txt:",
    ]
    assert "1 of 8 pictures have no object" in splits.notes


@pytest.mark.parametrize(
    "text",
    [
        "names: !!python/object/apply:os.system ['touch {0}']",
        "names: {{a: b}}",
        "[" * 5_000,
        "nc: 2",
        "names: cat",
        "names: 3",
        "names: !!bool cat",
        "names: []",
    ],
)
def test_class_names_that_cannot_be_read_are_named_and_nothing_is_executed(
    text: str, tmp_path: Path
) -> None:
    annotated.write_yolo(tmp_path / "set", examples())
    proof = tmp_path / "executed"
    (tmp_path / "set" / "data.yaml").write_text(text.format(proof))
    splits = annotated.splits(tmp_path / "set")
    assert any(line.startswith("data.yaml: no names of classes (") for line in splits.problems)
    assert splits.classes == ("0", "1")
    assert not proof.exists()


def test_label_maps_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    annotated.write_masks(tmp_path, examples())
    masks = tmp_path / "masks"
    Image.open(masks / "00.png").resize((9, 9)).save(masks / "00.png")
    Image.new("RGB", examples()[1].size[::-1]).save(masks / "01.png")
    (masks / "02.png").write_bytes((masks / "02.png").read_bytes()[:60])
    (masks / "03.png").unlink()
    (masks / "alone.png").write_bytes((masks / "04.png").read_bytes())
    problems = "\n".join(annotated.splits(tmp_path).problems)
    for text in [
        "images/00.png: ",
        "but its label map 00.png has 9 x 9 px",
        "masks/01.png: unreadable (it has channels RGB; a label map has one",
        "masks/02.png: unreadable (",
        "images/03.png: no label map masks/03.png",
        "masks/alone.png: no picture images/alone",
    ]:
        assert text in problems
    assert len(problems.splitlines()) == 5


def test_values_of_unknown_classes_are_ignored(tmp_path: Path) -> None:
    annotated.write_masks(tmp_path, examples(), of="classes")
    (tmp_path / "classes.txt").write_text("cat\n")
    data = annotated.read(tmp_path)
    assert "masks/00.png: values [2] of unknown classes: ignored" not in data.problems
    assert "masks/01.png: values [2] of unknown classes: ignored" in data.problems
    assert set(np.unique(data.train.objects.semantic)) == {0, 1, 255}
