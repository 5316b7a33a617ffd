"""Annotated pictures in the four layouts of ``folder:PATH``, written from one description."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnbench.data import loading
from cnnbench.data.datasets import Request
from cnnbench.data.folder import FOLDER
from cnnbench.data.pictures import Fit, LoadedData, Part, Splits

Box = tuple[float, float, float, float]  # top, left, bottom, right in px
CLASSES = ("cat", "dog")
GROUND = 20
SIZE = 64  # of the pictures read
BRIGHT = {"cat": 160, "dog": 240}


@dataclass(frozen=True)
class Example:
    """A picture and its objects; the file is painted unless it exists."""

    name: str
    size: tuple[int, int]
    objects: Sequence[tuple[str, Box]]


def examples(count: int = 10, seed: int = 4) -> list[Example]:
    """Return pictures of several sizes with one or two objects at whole px, apart."""
    draw = np.random.default_rng(seed)
    found = []
    for index in range(count):
        height, width = int(draw.integers(60, 90)), int(draw.integers(80, 120))
        objects = []
        for side in range(1 + index % 2):  # the second in the right half
            top, left = int(draw.integers(2, 20)), int(draw.integers(2, 10)) + side * width // 2
            bottom, right = top + int(draw.integers(15, 35)), left + int(draw.integers(10, 25))
            objects.append((CLASSES[(index + side) % 2], (top, left, bottom, right)))
        found.append(Example(f"{index:02}.png", (height, width), objects))
    return found


def paint(file: Path, example: Example) -> None:
    """Write a picture with a bright rectangle for each object, brighter for dogs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full(example.size, GROUND, np.uint8)
    for index, (name, box) in enumerate(example.objects):
        top, left, bottom, right = map(int, box)
        pixels[top:bottom, left:right] = BRIGHT[name] + index
    pixels[0, 0] = sum(example.name.encode()) % 50  # no two pictures are the same
    Image.fromarray(pixels).save(file)


def coco(found: Sequence[Example], masks: bool = False) -> dict[str, Any]:
    """Return the content of a COCO file; with masks, polygons and run lengths in turn."""
    images, annotations = [], []
    for number, example in enumerate(found, start=1):
        height, width = example.size
        images.append({"id": number, "file_name": example.name, "height": height, "width": width})
        for name, (top, left, bottom, right) in example.objects:
            entry = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": 7 + CLASSES.index(name) if name in CLASSES else name,
                "bbox": [left, top, right - left, bottom - top],
                "iscrowd": 0,
            }
            if masks and len(annotations) % 2:
                entry["segmentation"] = [[left, top, right, top, right, bottom, left, bottom]]
            elif masks:
                mask = np.zeros(example.size, np.bool_)
                mask[int(top) : int(bottom), int(left) : int(right)] = True
                entry["segmentation"] = {"size": [height, width], "counts": runs(mask)}
            annotations.append(entry)
    categories = [{"id": 7 + index, "name": name} for index, name in enumerate(CLASSES)]
    return {"images": images, "annotations": annotations, "categories": categories}


def runs(mask: np.ndarray) -> list[int]:
    """Return COCO's run lengths of a mask, by going through its px one by one."""
    counts, last = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != last:
            counts.append(0)
            last = pixel
        counts[-1] += 1
    return counts


def write_coco(folder: Path, found: Sequence[Example], masks: bool = False) -> Path:
    """Write ``annotations.json`` beside ``images/``; return the file."""
    for example in found:
        paint(folder / "images" / example.name, example)
    file = folder / "annotations.json"
    file.write_text(json.dumps(coco(found, masks)))
    return file


def voc(example: Example) -> str:
    """Return VOC's XML: the first px is 1, and the last is part of the box."""
    objects = "".join(
        f"<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{left + 1}</xmin>"
        f"<ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for name, (top, left, bottom, right) in example.objects
    )
    height, width = example.size
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return (
        f"<annotation><filename>{example.name}</filename>{size}"
        f"<segmented>0</segmented>{objects}</annotation>"
    )


def write_voc(
    folder: Path,
    found: Sequence[Example],
    lists: Mapping[str, Iterable[Example]] | None = None,
    pictures: str = "JPEGImages",
) -> None:
    """Write ``Annotations/``, pictures, and the lists of ``ImageSets/Main``."""
    (folder / "Annotations").mkdir(parents=True)
    for example in found:
        if not (folder / pictures / example.name).exists():
            paint(folder / pictures / example.name, example)
        file = folder / "Annotations" / f"{Path(example.name).stem}.xml"
        file.write_text(voc(example))
    for name, listed in (lists or {}).items():
        file = folder / "ImageSets" / "Main" / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{Path(example.name).stem}\n" for example in listed))


def yolo(example: Example, classes: Sequence[str] = CLASSES) -> str:
    """Return YOLO's lines: class, centre and sides as fractions."""
    height, width = example.size
    lines = []
    for name, (top, left, bottom, right) in example.objects:
        x, y = (left + right) / 2 / width, (top + bottom) / 2 / height
        sides = (right - left) / width, (bottom - top) / height
        lines.append(f"{classes.index(name)} {x:.8f} {y:.8f} {sides[0]:.8f} {sides[1]:.8f}\n")
    return "".join(lines)


def write_yolo(
    folder: Path,
    found: Sequence[Example],
    split: str = "",
    classes: Sequence[str] = CLASSES,
) -> None:
    """Write ``labels/`` beside ``images/``, and ``data.yaml``."""
    (folder / "labels" / split).mkdir(parents=True)
    for example in found:
        if not (folder / "images" / split / example.name).exists():
            paint(folder / "images" / split / example.name, example)
        file = folder / "labels" / split / f"{Path(example.name).stem}.txt"
        file.write_text(yolo(example, classes))
    (folder / "data.yaml").write_text(f"nc: {len(classes)}\nnames: {list(classes)}\n")


def write_masks(folder: Path, found: Sequence[Example], of: str = "instances") -> None:
    """Write ``masks/`` beside ``images/``: 16 bits of objects, or 8 bits of classes."""
    (folder / "masks").mkdir(parents=True)
    for example in found:
        paint(folder / "images" / example.name, example)
        mask = np.zeros(example.size, np.uint16 if of == "instances" else np.uint8)
        for index, (name, box) in enumerate(example.objects):
            top, left, bottom, right = map(int, box)
            value = 300 + index if of == "instances" else 1 + CLASSES.index(name)
            mask[top:bottom, left:right] = value
        Image.fromarray(mask).save(folder / "masks" / example.name)


def read(folder: Path, fit: Fit = "stretch", size: int = SIZE, channels: int = 1) -> LoadedData:
    """Return a folder's data as a job reads it."""
    request = Request(f"folder:{folder}", size=size, channels=channels, fit=fit)
    return loading.load(request)


def splits(folder: Path, trains: bool = True) -> Splits:
    """Return a folder's splits."""
    return FOLDER.at(str(folder)).load(Request(f"folder:{folder}", trains=trains), None, [])


def boxes_by_name(found: Splits) -> dict[str, list[tuple[str, Box]]]:
    """Return the class and the box in px of each object, by the name of its picture."""
    listed: dict[str, list[tuple[str, Box]]] = {}
    for part in (found.train, found.test, found.validation):
        for picture in part._pictures if part is not None else []:
            pixels = picture.boxes * np.tile(picture.size, 2)
            names = [found.classes[label] for label in picture.labels]
            listed[picture.listed.file.name] = [
                (name, tuple(box)) for name, box in zip(names, pixels.tolist(), strict=True)
            ]
    return listed


def assert_same_boxes(found: Splits, expected: Iterable[Example], within: float = 1e-3) -> None:
    """Check that the objects are those of the examples, to ``within`` px."""
    listed = boxes_by_name(found)
    for example in expected:
        assert [name for name, _ in listed[example.name]] == [name for name, _ in example.objects]
        for (_, box), (_, wanted) in zip(listed[example.name], example.objects, strict=True):
            assert box == pytest.approx(wanted, abs=within)


def each_object(part: Part) -> Iterator[tuple[int, np.ndarray, int, np.ndarray]]:
    """Yield place and px of the image, row, and box in px of every object of a grey part."""
    assert part.objects is not None
    for index, image in enumerate(part.images):
        for row in range(part.objects.counts[index]):
            yield index, image[..., 0], row, part.objects.boxes[index, row] * SIZE
