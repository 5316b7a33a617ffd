"""What a choice mixes and rests on: several machines, networks that differ, too few processes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cnnbench.core import datasets
from cnnbench.core.metrics import METRICS, split
from cnnbench.report.measured import DRIFTING
from cnnbench.report.merge import Row
from cnnbench.store.robust import FEWEST_PROCESSES

_SIDE = re.compile(r"(\d+)px")


def warnings(rows: Sequence[Row], used: Sequence[str]) -> list[str]:
    """What to know about a choice by the columns ``used``, a line each."""
    return [
        *_machines(rows, used),
        *_processes(rows, used),
        *_sizes(rows, used),
        *_variants(rows, used),
    ]


def _times(used: Sequence[str]) -> Iterator[str]:
    for name in used:
        metric = METRICS.get(split(name)[0])
        if metric and metric.unit in DRIFTING and metric.depends_on == "setting":
            yield name


def _processes(rows: Sequence[Row], used: Sequence[str]) -> Iterator[str]:
    """Of fewer processes than an interval takes there is a range, which is narrower."""
    for name in _times(used):
        few = [row.name for row in rows if 0 < len(row.read(name).samples) < FEWEST_PROCESSES]
        if few:
            yield (
                f"{name} rests on fewer than {FEWEST_PROCESSES} processes, whose range stands for "
                f"the interval: {', '.join(few)}"
            )


def _machines(rows: Sequence[Row], used: Sequence[str]) -> Iterator[str]:
    for name in _times(used):
        places = {
            row.environments[name]
            for row in rows
            if name in row.environments and row.read(name).value is not None
        }
        if len(places) > 1:
            yield (
                f"{name} was measured in {len(places)} environments "
                f"({', '.join(sorted(places))}): the times are not comparable"
            )


def _sizes(rows: Sequence[Row], used: Sequence[str]) -> Iterator[str]:
    """An accuracy on images of another size is that of another network than the row's own."""
    accuracies = [name for name in used if _is_trained(name)]
    if not accuracies or len(accuracies) == len(used):
        return
    for name in accuracies:
        side = _image_side(split(name)[1])
        others = [
            row.name
            for row in rows
            if row.read(name).value is not None
            and (own := row.facts.get("input_shape", "").split("x"))[0].isdigit()
            and int(own[0]) != side
        ]
        if others:
            yield (
                f"{name} was measured on {side} px, with that data set's classes; "
                f"the other numbers are of the network at its own input: {', '.join(others)}"
            )


def _variants(rows: Sequence[Row], used: Sequence[str]) -> Iterator[str]:
    """A compressed row is the trained network throughout, at the training's size and classes."""
    shapes: dict[bool, dict[str, None]] = {True: {}, False: {}}
    for row in rows:
        shape = " px, ".join(
            row.facts[fact] for fact in ("input_shape", "classes") if fact in row.facts
        )
        if shape and any(row.read(name).value is not None for name in used):
            shapes[row.variant == "float32"][shape] = None
    plain, compressed = shapes[True], shapes[False]
    if compressed and plain and compressed.keys() != plain.keys():
        yield (
            f"compressed rows are the trained network ({'; '.join(compressed)} classes), "
            f"plain rows the network at its own input ({'; '.join(plain)} classes)"
        )


def _is_trained(name: str) -> bool:
    """Whether a column is an accuracy that was measured by training on a data set."""
    base, label = split(name)
    return base in ("top1", "top5", "ece", "loss", "agreement") and "/" in label


def _image_side(label: str) -> int:
    found = _SIDE.search(label)
    return int(found[1]) if found else datasets.facts(label.split("/")[0]).px
