"""Warnings of a choice: several machines, other inputs or classes, too few processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnnbench.metrics import METRICS, split
from cnnbench.results.report import DRIFTING
from cnnbench.row import Row
from cnnbench.statistics.measurement import Measurement
from cnnbench.statistics.robust import FEWEST_PROCESSES


def warnings(rows: Sequence[Row], used: Sequence[str]) -> list[str]:
    """Return warnings on a choice by the columns ``used``, a line each."""
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
    """Warn of ranges in place of intervals, which are narrower."""
    for name in _times(used):
        few = [row.name for row in rows if 0 < len(row.read(name).samples) < FEWEST_PROCESSES]
        if few:
            yield (
                f"{name} has fewer than {FEWEST_PROCESSES} processes, whose range is used as "
                f"interval: {', '.join(few)}"
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
    judged = {name: {row.read(name).images for row in rows} - {None} for name in used}
    if all(judged.values()):
        return
    for name, images in judged.items():
        others = [row.name for row in rows if _is_of_other_images(row, row.read(name))]
        if others:
            side = max(one.side for one in images if one)
            where = f"on {side} px" if side else "at each network's own input"
            own = "default input" if side else "own classes"
            yield (
                f"{name} was measured {where}, with that data set's classes; "
                f"other metrics use the model's {own}: {', '.join(others)}"
            )


def _is_of_other_images(row: Row, found: Measurement) -> bool:
    """Return whether a quality was measured at another input or with other classes than facts."""
    if found.value is None or found.images is None:
        return False
    return _differs(row.facts.get("input_shape", "").split("x")[0], found.images.side) or _differs(
        row.facts.get("classes", ""), found.images.classes
    )


def _differs(fact: str, trained: int) -> bool:
    """Return whether a fact of the network is known and differs from ``trained``; 0: unknown."""
    return bool(trained) and fact.isdigit() and int(fact) != trained


def _variants(rows: Sequence[Row], used: Sequence[str]) -> Iterator[str]:
    """Warn of compressed rows, which are the trained network, next to rows of other inputs."""
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
            f"plain rows use the model's default input ({'; '.join(plain)} classes)"
        )
