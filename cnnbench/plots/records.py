"""Data of charts that need the records: learning curves, confusion, memory over time.

A journal may come from anywhere, so what does not have the expected shape is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from cnnbench.probes.probe import setting_of
from cnnbench.record import Record, model_title
from cnnbench.tasks.detection.quality import MILLE
from cnnbench.tasks.task import ranking_metrics
from cnnbench.units import number, rounded, show

_NOT_DRAWN = ("epoch", "phase", "seconds", "traced")
_MOST_POINTS = 1001  # of a curve


def epochs(records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """Yield every number of every epoch of every seed."""
    for record in records:
        points = record.details.get("curve")
        if record.status != "ok" or not isinstance(points, list):
            continue
        place = {
            "network": model_title(record.model, record.variant),
            "setting": setting_of(record).label(),
            "seed": str(record.repeat),
        }
        for epoch, point in enumerate((p for p in points if isinstance(p, Mapping)), 1):
            for name, value in point.items():
                found = None if isinstance(value, bool) else number(value)
                if found is not None and name not in _NOT_DRAWN:
                    yield {**place, "epoch": epoch, "what": str(name), "value": rounded(found)}


def confusions(records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """Yield ``counts[label][predicted]`` of every network and setting, summed over its seeds."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        counts, names = record.details.get("confusion"), record.details.get("classes")
        if record.status != "ok" or not isinstance(counts, list) or not _is_square(counts):
            continue
        metric = next((name for name in ranking_metrics() if name in record.metrics), "")
        place = (model_title(record.model, record.variant), setting_of(record).label_for(metric))
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
            "network": name,
            "setting": label,
            "seeds": one["seeds"],
            "classes": one["classes"] or [str(number) for number in range(size)],
            "counts": one["counts"].tolist(),
        }


def mistakes(confusion: Mapping[str, Any], most: int = 5) -> list[str]:
    """Return the most frequent mistakes of one of `confusions`, by their share of the class."""
    classes = confusion["classes"]
    found = [
        (count / sum(row), count, sum(row), classes[label], classes[predicted])
        for label, row in enumerate(confusion["counts"])
        for predicted, count in enumerate(row)
        if count and label != predicted
    ]
    words = [
        f"{label} predicted as {predicted}: {show(share, 'fraction')} ({count} of {of})"
        for share, count, of, label, predicted in sorted(found, key=lambda one: -one[0])[:most]
    ]
    return [*words, f"{confusion['seeds']} seeds summed"] if confusion["seeds"] > 1 else words


def precision_curves(records: Sequence[Record], for_all: str) -> Iterator[dict[str, Any]]:
    """Yield precision over recall of every detector: for all classes, and for each of several.

    Args:
        records: of a run; curves are means over the seeds.
        for_all: the name for all classes together.
    """
    found: dict[tuple[str, str, str, str], list[list[int]]] = {}
    for record in records:
        names = record.details.get("classes")
        if record.status != "ok":
            continue
        for label, iou, of_iou in _curves(record):
            each = of_iou.get("classes")
            of_each: dict[str, Any] = {}
            if isinstance(names, list) and isinstance(each, list) and len(names) > 1:
                of_each = dict(zip(map(str, names), each, strict=False))
            for name, line in {for_all: of_iou.get("all"), **of_each}.items():
                if _is_curve(line):
                    place = (model_title(record.model, record.variant), label, str(iou), name)
                    found.setdefault(place, []).append(line)
    for (network, label, iou, name), lines in found.items():
        same = [line for line in lines if len(line) == len(lines[0])]
        precision = np.mean(same, axis=0) / MILLE
        yield {
            "network": network,
            "setting": label,
            "iou": iou,
            "of_class": name,
            "recall": np.linspace(0, 1, len(precision)).round(4).tolist(),
            "precision": precision.round(4).tolist(),
        }


def _curves(record: Record) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield setting, IoU and curves of the boxes of a record, and of its masks if it has them."""
    label = setting_of(record).label_for("box_map")
    for detail, words in (("curves", ""), ("mask_curves", ", masks")):
        curves = record.details.get(detail)
        for iou, of_iou in curves.items() if isinstance(curves, Mapping) else ():
            if isinstance(of_iou, Mapping):
                yield f"{label}{words}", iou, of_iou


def timelines(records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """Yield one row per memory sample, and one per phase, of every memory job."""
    for record in records:
        times = record.samples.get("timeline_s", [])
        sizes = record.samples.get("timeline_bytes", [])
        if record.status != "ok" or not times or len(times) != len(sizes):
            continue
        mode = record.setting.get("mode", "infer")
        place = {
            "network": model_title(record.model, record.variant),
            "setting": f"{mode} {setting_of(record).label()}",
        }
        pairs = zip(times, sizes, strict=True)
        points = [(rounded(t), b) for t, b in pairs if t is not None and b is not None]
        for seconds, size in points:
            yield {**place, "seconds": seconds, "bytes": size}
        yield from ({**place, **phase} for phase in _phases(record, points))


def _phases(record: Record, points: Sequence[tuple[float, float]]) -> Iterator[dict[str, Any]]:
    listed = record.details.get("phases")
    phases = [
        (str(one[0]), when)
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, list) and len(one) == 2 and (when := number(one[1])) is not None
    ]
    for (words, began), following in pairwise([*phases, ("", np.inf)]):
        inside = [size for when, size in points if began <= when < following[1]]
        facts = {"began": show(began, "s")}
        if inside:
            facts["peak in this phase"] = show(max(inside), "bytes")
        if points:
            facts["peak"] = show(max(size for _, size in points), "bytes")
        yield {"began": rounded(began), "phase": words, "fact": facts}


def _is_curve(line: Any) -> bool:
    """Return whether it is a list of precisions, in whole numbers of `MILLE` in 1."""
    return (
        isinstance(line, list)
        and 2 <= len(line) <= _MOST_POINTS
        and all(type(one) is int and 0 <= one <= MILLE for one in line)
    )


def _is_square(counts: list[Any]) -> bool:
    """Return whether it is a matrix of counts, as many rows as columns."""
    return (
        bool(counts)
        and all(isinstance(row, list) and len(row) == len(counts) for row in counts)
        and all(type(count) is int and 0 <= count < 2**31 for row in counts for count in row)
    )
