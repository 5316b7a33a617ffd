"""Segmentation: IoU of each class, the most frequent confusions, and heads on one backbone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from cnnbench.errors import UserError
from cnnbench.metrics import METRICS, column
from cnnbench.models import model_name
from cnnbench.models.heads import HEADS
from cnnbench.named import Named
from cnnbench.record import FLOAT32
from cnnbench.report.sections.evaluated import (
    EvaluatedNetwork,
    evaluated,
    most_frequent,
    settings_with,
)
from cnnbench.report.sections.section import Block, Section
from cnnbench.results.report import Report
from cnnbench.results.tables import Run
from cnnbench.row import Row
from cnnbench.statistics.measurement import Measurement
from cnnbench.units import show

_TITLE = "Segmentation: IoU by class, confusions and heads"
_INTRODUCTION = (
    "mIoU is the mean over the classes, the background among them, of the IoU of their pixels, "
    "from one confusion matrix over the test images; boundary IoU (arXiv:2103.16562) is that of "
    "the pixels within 2 % of the diagonal of a boundary. Ignored pixels do not count, and a class "
    "that is neither in the truth nor in the predictions is left out. Pixels are judged at the "
    "resolution of the network's input. All are means over the seeds."
)
_METRICS = ("segmentation_miou", "pixel_accuracy", "boundary_iou")
_MIOU = _METRICS[0]
_TIER = f"{_MIOU}_tier"
_MOST_CLASSES = 12
_MOST_CONFUSED = 3
_OF_WHOLE = ("input_shape", "classes")  # parameters that are not the backbone's
_SKIPS = ("fcn8s", "fcn16s")  # heads with skips, that with more of them first
_WITHOUT_SKIPS = "fcn32s"

Matrix = npt.NDArray[np.int64]


def section(run: Run) -> Section | None:
    """Return the section of a run; None where no segmentation network was evaluated."""
    found = evaluated(run.raw, "class_iou", _MIOU)
    labels = list(dict.fromkeys(one.label for one in found))
    blocks: list[Block] = []
    notes: list[str] = []
    for label in dict.fromkeys([*labels, *settings_with(run.measured, _MIOU)]):
        members = [one for one in found if one.label == label]
        heads = _heads(run.measured, label)
        blocks += [*_numbers(run.measured, label), *_of_classes(members, label)]
        blocks += _side_by_side(heads, label)
        where = f" ({label})" * (len(labels) > 1)
        notes += [f"{one.name}{where}: {words}" for one in members for words in _confused(one)]
        notes += [f"{words}{where}" for words in _skips(heads)]
    if not blocks:
        return None
    return Section(
        "segmentation",
        "Segmentation",
        _TITLE,
        _INTRODUCTION,
        tuple(blocks),
        "Most frequent confusions, as a share of the pixels of the true class, and skips",
        tuple(notes),
    )


def _numbers(report: Report, label: str) -> Iterator[Block]:
    rows = []
    for row in report:
        values = [row.get(column(name, label)) for name in _METRICS]
        if values[0].value is not None:
            cells = [one.show("fraction") + " ?" * one.is_doubtful for one in values]
            rows.append((row.name, *cells))
    if rows:
        heads = ("Model", *(METRICS[name].title for name in _METRICS))
        yield Block(f"Overlap of the classes: {label}", heads, tuple(rows))


def _of_classes(members: Sequence[EvaluatedNetwork], label: str) -> Iterator[Block]:
    """Yield the IoU of each class; of many classes, only of those with the most pixels."""
    named = [one for one in members if one.classes]
    names = named[0].classes if named else []
    counts = {place: named[0].mean("class_pixels", place) or 0 for place in range(len(names))}
    shown = most_frequent(counts, _MOST_CLASSES)
    rows = [
        (one.name, *(_share(one.mean("class_iou", _MIOU, place)) for place in shown))
        for one in members
        if one.classes == names
    ]
    known = sum(count > 0 for count in counts.values())
    left = f", {len(shown)} of {known}" if len(shown) < known else ""
    if shown:
        heads = ("Model", *(names[place] for place in shown))
        yield Block(f"IoU of each class{left}: {label}", heads, tuple(rows))


def _confused(one: EvaluatedNetwork) -> Iterator[str]:
    """Yield the most frequent confusions of a network, by their share of the true class."""
    names, matrix = one.classes, _matrix(one)
    if matrix is None or len(matrix) != len(names):
        return
    pixels = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, pixels, out=np.zeros(matrix.shape), where=pixels > 0)
    np.fill_diagonal(shares, 0.0)
    order = np.argsort(-shares, axis=None, kind="stable")[:_MOST_CONFUSED]
    places = (divmod(int(place), len(names)) for place in order if shares.flat[place] > 0)
    words = [
        f"{names[right]} as {names[given]} ({_share(float(shares[right, given]))})"
        for right, given in places
    ]
    if words:
        yield ", ".join(words)


def _matrix(one: EvaluatedNetwork) -> Matrix | None:
    """Return the sum of the confusion matrices of all seeds; None if one has none."""
    found = [record.details.get("pixel_confusion") for record in one.records]
    sizes = {len(matrix) if isinstance(matrix, list) else 0 for matrix in found}
    if len(sizes) != 1 or not all(_is_square(matrix) for matrix in found):
        return None
    return np.sum([np.array(matrix, np.int64) for matrix in found], axis=0)


def _is_square(matrix: object) -> bool:
    """Return whether it is a matrix of counts, as many rows as columns."""
    return (
        isinstance(matrix, list)
        and bool(matrix)
        and all(isinstance(row, list) and len(row) == len(matrix) for row in matrix)
        and all(type(count) is int and 0 <= count < 2**40 for row in matrix for count in row)
    )


def _heads(report: Report, label: str) -> dict[str, dict[str, Measurement]]:
    """Return the mIoU of each head on each backbone with several of them, as they are written."""
    found: dict[str, dict[str, Measurement]] = {}
    for row in report:
        known = row.get(column(_MIOU, label))
        parts = _parts(row) if known.value is not None else None
        if parts:
            found.setdefault(parts[0], {}).setdefault(parts[1], known)
    return {backbone: of for backbone, of in found.items() if len(of) > 1}


def _parts(row: Row) -> tuple[str, str] | None:
    """Return backbone and head of a row, without input and classes; None without a head."""
    try:
        written = model_name.parse(row.model)
    except UserError:  # a name of another version, in a table from elsewhere
        return None
    if row.variant != FLOAT32 or written.head is None or written.head.name not in HEADS:
        return None
    own = tuple(one for one in written.head.parameters if one[0] not in _OF_WHOLE)
    return str(Named(written.name, written.parameters)), f"+{Named(written.head.name, own)}"


def _side_by_side(heads: Mapping[str, Mapping[str, Measurement]], label: str) -> Iterator[Block]:
    """Yield the mIoU of the heads on each backbone, with their rank in brackets."""
    names = list(dict.fromkeys(name for of in heads.values() for name in of))
    rows = []
    for backbone, of in heads.items():
        order = sorted(of, key=lambda name: -(of[name].value or 0.0))
        cells = (
            f"{of[n].show('fraction')} ({1 + order.index(n)})" if n in of else "" for n in names
        )
        rows.append((backbone, *cells))
    if rows:
        title = f"Heads on the same backbone, mIoU with the rank in brackets: {label}"
        yield Block(title, ("Backbone", *names), tuple(rows))


def _skips(heads: Mapping[str, Mapping[str, Measurement]]) -> Iterator[str]:
    """Yield how much skips add to the mIoU of each backbone."""
    for backbone, of in heads.items():
        without = of.get(f"+{_WITHOUT_SKIPS}")
        best = next((name for name in _SKIPS if f"+{name}" in of), None)
        if without is not None and best is not None:
            rise = (of[f"+{best}"].value or 0.0) - (without.value or 0.0)
            yield (
                f"{backbone}: +{best} has {100 * rise:+.1f} points of mIoU against "
                f"+{_WITHOUT_SKIPS}, which has no skips"
            )


def _share(value: float | None) -> str:
    return show(value, "fraction")
