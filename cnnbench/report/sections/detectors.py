"""Detectors: average precision of boxes and masks by COCO's rules, and the kinds of error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnnbench.metrics import METRICS, column
from cnnbench.report.sections.evaluated import (
    EvaluatedNetwork,
    evaluated,
    most_frequent,
    settings_with,
)
from cnnbench.report.sections.section import Block, Section
from cnnbench.results.report import Report
from cnnbench.results.tables import Run
from cnnbench.tasks.detection.mistakes import KINDS, RIGHT
from cnnbench.tasks.detection.quality import SUMMARY
from cnnbench.tasks.instance_segmentation.quality import SUMMARY as MASKS
from cnnbench.units import show

_TITLE = "Detectors: average precision and kinds of error"
_INTRODUCTION = (
    "Average precision by COCO's rules: AP is the precision at 101 recall levels, averaged over "
    "IoU .50:.05:.95 and the classes; AP50 and AP75 are at a single IoU; small, medium and large "
    "objects are up to 32² px, up to 96² px and larger, in the original images; AR100 is the "
    "recall with at most 100 detections per image. The kinds of error are TIDE's, counted among "
    "the best-scored detections of each class, as many as it has objects, as a share of all "
    "objects: "
    + "; ".join(f"{kind}, {meaning}" for kind, meaning in KINDS.items())
    + ". All are means over the seeds."
)
_OF_MASKS = (
    " Masks are compared in the pixels of the network's input; the other numbers and the kinds of "
    "error are those of the boxes of the same detections."
)
_MOST_CLASSES = 12
_AP = SUMMARY[0]
_WORDS_OF_MASKS = " of masks"
_SUMMARIES = {"": SUMMARY, _WORDS_OF_MASKS: MASKS}
"""Words for a title -> the metrics."""


def section(run: Run) -> Section | None:
    """Return the section of a run; None where no detector was evaluated."""
    found = evaluated(run.raw, "errors", _AP)
    labels = list(dict.fromkeys(one.label for one in found))
    blocks: list[Block] = []
    for label in dict.fromkeys([*labels, *settings_with(run.measured, _AP)]):
        members = [one for one in found if one.label == label]
        for words, names in _SUMMARIES.items():
            blocks += _numbers(run.measured, label, words, names)
            blocks += _of_classes(members, label, words, names[0])
        blocks += _errors(members, label)
    if not blocks:
        return None
    notes = tuple(note for one in found for note in _most_frequent(one, len(labels) > 1))
    return Section(
        "detectors",
        "Detectors",
        _TITLE,
        _INTRODUCTION + _OF_MASKS * any(_WORDS_OF_MASKS in block.title for block in blocks),
        tuple(blocks),
        "Most frequent kinds of error",
        notes,
    )


def _numbers(report: Report, label: str, words: str, names: Sequence[str]) -> Iterator[Block]:
    rows = []
    for row in report:
        values = [row.get(column(name, label)) for name in names]
        if values[0].value is not None:
            cells = [one.show("fraction") + " ?" * one.is_doubtful for one in values[:1]]
            cells += [show(one.value, "fraction") + " ?" * one.is_doubtful for one in values[1:]]
            rows.append((row.name, *cells))
    heads = ("Model", *(METRICS[name].title for name in names))
    if rows:
        yield Block(f"Average precision{words}: {label}", heads, tuple(rows))


def _of_classes(
    members: Sequence[EvaluatedNetwork], label: str, words: str, metric: str
) -> Iterator[Block]:
    """Yield the AP of each class; of many classes, only of those with the most objects."""
    names = next((one.classes for one in members if one.classes), [])
    counts = {place: members[0].mean("class_objects", place) or 0 for place in range(len(names))}
    shown = most_frequent(counts, _MOST_CLASSES)
    if len(shown) < 2:
        return
    rows = [
        (one.name, *(_share(one.mean("class_ap", metric, place)) for place in shown))
        for one in members
        if one.classes == names and one.mean("class_ap", metric, shown[0]) is not None
    ]
    known = sum(count > 0 for count in counts.values())
    left = f", {len(shown)} of {known}" if len(shown) < known else ""
    title = f"AP{words} of each class{left}: {label}"
    if rows:
        yield Block(title, ("Model", *(names[place] for place in shown)), tuple(rows))


def _errors(members: Sequence[EvaluatedNetwork], label: str) -> Iterator[Block]:
    rows = []
    for one in members:
        objects = one.mean("n_objects")
        if objects:
            cells = [_share(_part(one, kind, objects)) for kind in (RIGHT, *KINDS)]
            rows.append((one.name, *cells))
    heads = ("Model", *(kind.capitalize() for kind in (RIGHT, *KINDS)))
    if rows:
        yield Block(f"Kinds of error: {label}", heads, tuple(rows))


def _most_frequent(one: EvaluatedNetwork, has_settings: bool) -> Iterator[str]:
    objects = one.mean("n_objects")
    parts = {kind: _part(one, kind, objects) if objects else None for kind in KINDS}
    known = {kind: part for kind, part in parts.items() if part}
    order = sorted(known, key=lambda kind: -known[kind])[:2]
    if order:
        where = f" ({one.label})" * has_settings
        words = ", then ".join(f"{kind} ({_share(known[kind])})" for kind in order)
        yield f"{one.name}{where}: {words}"


def _part(one: EvaluatedNetwork, kind: str, objects: float) -> float | None:
    count = one.mean("errors", kind)
    return None if count is None else count / objects


def _share(value: float | None) -> str:
    return show(value, "fraction")
