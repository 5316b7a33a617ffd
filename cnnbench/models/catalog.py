"""Every architecture that cnnbench knows by name: plain data, nothing heavy is imported.

A new architecture is one builder in ``families/`` and one line in ``catalog.csv``, in which
``python -m tests.models.counted NAME`` fills in the parameters, counted and named, and the MACs.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cnnbench.errors import plain

if TYPE_CHECKING:
    from cnnbench.data.pictures import Fit

FLOAT32_BYTES = 4

Origin = Literal["keras.applications", "cnnbench", "user", "head"]


@dataclass(frozen=True)
class Entry:
    """Facts about an architecture that are known without building it.

    Attributes:
        name: canonical; Keras' own class name if there is one.
        family: architectures of one kind, as ``cnnbench models --family`` takes it.
        year: of the first publication, or None.
        paper: title, arXiv number or DOI, and the section of it.
        input_shape: the default input, ``(height, width, channels)``; () if unknown.
        params: parameters at the defaults, BatchNormalization statistics included, or None.
        min_size: the smallest height and width that it can be built at, or None if unknown.
        source: who wrote the builder; ``head`` for a head, which goes on any of the others.
        builder: the location of the builder, ``package.module:function``.
        classes: the default number of classes; 0 if unknown.
        task: what the model is for: ``classification``.
        class_names: of its classes, in the order of its outputs; () if unknown.
        fit: how its training brought pictures of another shape to its input; None if unknown.
        training: data set and settings of its training, as its file states them; empty if unknown.
        macs: multiply-adds for one image at the defaults, or None.
        takes: parameters besides input shape and classes.
    """

    name: str
    family: str
    year: int | None
    paper: str
    input_shape: tuple[int, ...]
    params: int | None
    min_size: int | None
    source: Origin
    builder: str
    classes: int = 1000
    task: str = "classification"
    class_names: tuple[str, ...] = ()
    fit: Fit | None = None
    training: Mapping[str, Any] = field(default_factory=dict, compare=False)
    macs: int | None = None
    takes: tuple[str, ...] = ()

    @property
    def file_bytes(self) -> int | None:
        """The size of a float32 file, estimated from the parameters; None if they are unknown."""
        return None if self.params is None else FLOAT32_BYTES * self.params

    @property
    def weights(self) -> str | None:
        """The weights that can be had for it, ``imagenet`` or None."""
        return "imagenet" if self.source == "keras.applications" else None

    @classmethod
    def of_user(
        cls,
        name: str,
        builder: str,
        input_shape: tuple[int, ...] = (),
        classes: int = 0,
        task: str = "classification",
    ) -> Entry:
        """Return the entry of a model that is not in the catalogue."""
        return cls(name, "user", None, "", input_shape, None, None, "user", builder, classes, task)

    def to_json(self) -> dict[str, Any]:
        """Return the facts as plain values, as ``cnnbench models --json`` prints them."""
        facts = ("name", "family", "year", "task", "input_shape", "params", "source", "paper")
        new = ("min_size", "macs", "file_bytes", "weights", "takes")
        found = {name: getattr(self, name) for name in (*facts, *new)}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in found.items()}


def canonical(name: str) -> str | None:
    """Return the catalogue's spelling of ``name``, ignoring case, ``_`` and ``-``; or None."""
    return _BY_PLAIN_NAME.get(plain(name))


def published(label: str) -> Mapping[str, float]:
    """Return the ``published_*`` metrics of a model in base units; empty if none are published.

    Args:
        label: its canonical name with all parameters that are not at their defaults.
    """
    return _published().get(label, {})


def _entry(row: Mapping[str, str]) -> Entry:
    return Entry(
        name=row["name"],
        family=row["family"],
        year=int(row["year"]),
        paper=row["paper"],
        input_shape=tuple(int(size) for size in row["input_shape"].split("x")),
        params=_number(row["params"]),
        min_size=int(row["min_size"]),
        source="keras.applications" if row["builder"].startswith("keras.") else "cnnbench",
        builder=row["builder"],
        classes=int(row["classes"]),
        task=row["task"],
        macs=_number(row["macs"]),
        takes=tuple(row["takes"].split()),
    )


def _number(text: str) -> int | None:
    return int(text) if text else None


def _rows(name: str) -> list[dict[str, str]]:
    with Path(__file__).with_name(name).open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


ENTRIES: Mapping[str, Entry] = {row["name"]: _entry(row) for row in _rows("catalog.csv")}
_BY_PLAIN_NAME = {plain(name): name for name in ENTRIES}

# The columns of https://keras.io/api/applications and of the chapter's Table 14-3, and those of
# https://pytorch.org/vision/stable/models.html (COCO val2017; segmentation: the classes of VOC), in
# base units: the "MB" are MiB, the times ms.
_PUBLISHED_FILES = (
    "keras_applications.csv",
    "torchvision_detection.csv",
    "torchvision_segmentation.csv",
)
_PUBLISHED = {
    "size_mib": ("published_size_bytes", 2**20),
    "top1_pct": ("published_top1", 0.01),
    "top5_pct": ("published_top5", 0.01),
    "params": ("published_params", 1),
    "depth": ("published_depth", 1),
    "cpu_ms": ("published_cpu_s", 0.001),
    "gpu_ms": ("published_gpu_s", 0.001),
    "box_map_pct": ("published_box_map", 0.01),
    "miou_pct": ("published_segmentation_miou", 0.01),
    "pixel_accuracy_pct": ("published_pixel_accuracy", 0.01),
}


@cache
def _published() -> dict[str, dict[str, float]]:
    rows = (row for file in _PUBLISHED_FILES for row in _rows(file))
    return {row["name"]: dict(_base_units(row)) for row in rows}


def _base_units(row: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    for name, (metric, unit) in _PUBLISHED.items():
        if row.get(name):
            yield metric, round(float(row[name]) * unit, 10)  # 74.9 * 0.01 gives 0.7490000001
