"""What a page draws from the records themselves: learning curves, confusion, memory over time.

A journal may come from anywhere, so that what has not the shape it should have is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cnnbench.probes.probe import setting_of
from cnnbench.record import Record, model_title
from cnnbench.units import rounded


def curves(records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """The learning curve of every seed: a mapping an epoch, of numbers alone."""
    for record in records:
        points = record.details.get("curve")
        if record.status != "ok" or not isinstance(points, list) or not points:
            continue
        yield {
            "name": model_title(record.model, record.variant),
            "label": setting_of(record).label(),
            "seed": record.repeat,
            "points": [_numbers(point) for point in points if isinstance(point, Mapping)],
        }


def confusions(records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """``counts[label][predicted]`` of every network and setting, its seeds added up."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        counts, names = record.details.get("confusion"), record.details.get("classes")
        if record.status != "ok" or not isinstance(counts, list) or not _is_square(counts):
            continue
        place = (model_title(record.model, record.variant), setting_of(record).label_for("top1"))
        known = found.setdefault(place, {"counts": 0, "seeds": 0, "classes": None})
        if known["seeds"] and np.shape(known["counts"]) != np.shape(counts):
            continue
        known["counts"] = np.add(known["counts"], counts)
        known["seeds"] += 1
        if isinstance(names, list) and len(names) == len(counts):
            known["classes"] = [str(name) for name in names]
    for (name, label), one in found.items():
        size = len(one["counts"])
        yield {
            "name": name,
            "label": label,
            "seeds": one["seeds"],
            "classes": one["classes"] or [str(number) for number in range(size)],
            "counts": one["counts"].tolist(),
        }


def timelines(records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """The memory of every memory job over its time: ``[seconds, bytes]``, and what began when."""
    for record in records:
        times = record.samples.get("timeline_s", [])
        sizes = record.samples.get("timeline_bytes", [])
        if record.status != "ok" or not times or len(times) != len(sizes):
            continue
        mode = record.setting.get("mode", "infer")
        yield {
            "name": model_title(record.model, record.variant),
            "label": f"{mode} {setting_of(record).label()}",
            "points": [
                [rounded(when), size]
                for when, size in zip(times, sizes, strict=True)
                if when is not None and size is not None
            ],
            "phases": [
                [str(words), float(when)] for words, when in record.details.get("phases", [])
            ],
        }


def _is_square(counts: list[Any]) -> bool:
    """Whether it is a matrix of counts, as many rows as columns."""
    return (
        bool(counts)
        and all(isinstance(row, list) and len(row) == len(counts) for row in counts)
        and all(type(count) is int and 0 <= count < 2**31 for row in counts for count in row)
    )


def _numbers(point: Mapping[str, Any]) -> dict[str, float]:
    return {
        str(name): rounded(float(value))
        for name, value in point.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
