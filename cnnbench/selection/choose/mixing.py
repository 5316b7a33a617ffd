"""What a choice mixes and rests on: several machines, networks that differ, too few processes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cnnbench.data import facts
from cnnbench.metrics import METRICS, split
from cnnbench.probes.accuracy.training_config import OWN, PRETRAINED
from cnnbench.results.report import DRIFTING
from cnnbench.row import Row
from cnnbench.statistics.robust import FEWEST_PROCESSES

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
            found.environment
            for row in rows
            if (found := row.read(name)).value is not None and found.environment
        }
        if len(places) > 1:
            yield (
                f"{name} was measured in {len(places)} environments "
                f"({', '.join(sorted(places))}): the times are not comparable"
            )


def _sizes(rows: Sequence[Row], used: Sequence[str]) -> Iterator[str]:
    """Warn of accuracies on images of another size, or with other classes, than other metrics."""
    accuracies = [name for name in used if _is_trained(name)]
    if not accuracies or len(accuracies) == len(used):
        return
    for name in accuracies:
        label = split(name)[1]
        side, classes = _image_side(label), facts.facts(label.split("/")[0]).classes
        others = [
            row.name
            for row in rows
            if row.read(name).value is not None
            and (
                _differs(row.facts.get("input_shape", "").split("x")[0], side)
                or _differs(row.facts.get("classes", ""), classes)
            )
        ]
        if others:
            where = f"on {side} px" if side else "at each network's own input"
            own = "at its own input" if side else "with its own classes"
            yield (
                f"{name} was measured {where}, with that data set's classes; "
                f"the other numbers are of the network {own}: {', '.join(others)}"
            )


def _differs(fact: str, trained: int) -> bool:
    """Whether a network's own number is known and another than it was trained for; 0: unknown."""
    return bool(trained) and fact.isdigit() and int(fact) != trained


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
    """The side of the images that an accuracy was measured on; 0: of each network's own size."""
    dataset, recipe, *rest = label.split("/")
    if recipe == PRETRAINED or rest[:1] == [OWN]:
        return 0
    found = _SIDE.fullmatch(rest[0]) if rest else None
    return int(found[1]) if found else facts.facts(dataset).px
