"""A classifier at every window of a larger picture: fully convolutional, and on crops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cnnbench.errors import UserError
from cnnbench.metrics import METRICS, split
from cnnbench.models import model_name
from cnnbench.named import Named
from cnnbench.named import show as show_value
from cnnbench.probes.sliding.settings import HEAD
from cnnbench.probes.sliding.summary import COLUMN
from cnnbench.report.sections.section import Block, Section, measured_time, settings_of
from cnnbench.results.report import Report
from cnnbench.row import Row
from cnnbench.statistics.measurement import Measurement
from cnnbench.units import Unit, show

_TITLE = "A classifier at every window of a larger picture"
_INTRODUCTION = (
    "The same classifier in two forms: as a fully convolutional network (+slide), which computes "
    "the maps of the picture once for all windows, and on every window cut out (+crops), all of "
    "them in one batch. Differences are of outputs, the largest over all windows, pictures and "
    "classes; at the classifier's own size, and window by window on the larger pictures."
)
_COUNTS = ("macs", "flops", "activation_infer_peak_bytes", "memory_infer_peak_bytes")
_COMPARED = ("windows", "native_max_abs_diff", "place_max_abs_diff", "place_agreement")


@dataclass(frozen=True)
class Pair:
    """The rows of one classifier in both forms; ``crops`` is None if it was not measured."""

    name: str
    slide: Row
    crops: Row | None


def pairs(report: Report) -> list[Pair]:
    """Return the rows with the head ``slide``, each with that of the same crops."""
    rows = {row.name: row for row in report}
    found = []
    for row in report:
        name = _name_of(row)
        if name:
            found.append(Pair(name, row, rows.get(row.name.replace(f"+{HEAD}", "+crops"))))
    return found


def section(report: Report) -> Section | None:
    """Return the section of a report; None if it has no sliding classifier."""
    found = pairs(report)
    blocks = [*_answers(report, found), *_costs(report, found)]
    if not blocks:
        return None
    notes = tuple(
        f"{pair.name}: {words}"
        for pair in found
        if isinstance(words := pair.slide.others.get(COLUMN), str) and words
    )
    return Section("sliding", "Sliding", _TITLE, _INTRODUCTION, tuple(blocks), "Answers", notes)


def _name_of(row: Row) -> str:
    """Return the classifier and the pictures of a row that slides; empty for another row."""
    try:
        written = model_name.parse(row.model)
    except UserError:  # a name of another version, in a table from elsewhere
        return ""
    if written.head is None or written.head.name != HEAD:
        return ""
    crop = dict(written.head.parameters).get("crop")
    windows = f", windows of {show_value(crop)}" if crop else ""
    classifier = Named(written.name, written.parameters)
    return f"{classifier} on {row.facts.get('input_shape', '?')}{windows}{row.apart}"


def _answers(report: Report, found: list[Pair]) -> Iterator[Block]:
    """Yield for each setting whether both forms give the same answers."""
    heads = ("Model", *(METRICS[name].title for name in _COMPARED))
    for label in dict.fromkeys(split(name)[1] for name in report.numbers):
        lines = []
        for pair in found:
            values = [pair.slide.get(f"{name}@{label}") for name in _COMPARED]
            if any(one.value is not None or one.status.is_known for one in values):
                lines.append((pair.name, *map(_shown, _COMPARED, values)))
        if lines:
            yield Block(f"The same answers? {label}", heads, tuple(lines))


def _costs(report: Report, found: list[Pair]) -> Iterator[Block]:
    """Yield what all windows of one picture cost in both forms."""
    lines = [line for pair in found for line in _costs_of(report, pair)]
    heads = ("Model", "Quantity", "+slide", "+crops", "crops ÷ slide")
    if lines:
        yield Block("The cost of all windows of a picture", heads, tuple(lines))


def _costs_of(report: Report, pair: Pair) -> Iterator[tuple[str, ...]]:
    if pair.crops is None:
        return
    for name in report.numbers:
        base, label = split(name)
        if base in _COUNTS:
            title = f"{METRICS[base].title} {label}".strip()
            numbers = pair.slide.get(name), pair.crops.get(name)
            yield from _line(pair, title, METRICS[base].unit, *numbers)
    for setting in settings_of(report):
        times = measured_time(pair.slide, setting), measured_time(pair.crops, setting)
        yield from _line(pair, f"Latency {setting}", "s", *times)


def _line(
    pair: Pair, title: str, unit: Unit, slide: Measurement, crops: Measurement
) -> Iterator[tuple[str, ...]]:
    if slide.value and crops.value:
        cells = [show(one.value, unit) + " ?" * one.is_doubtful for one in (slide, crops)]
        yield (pair.name, title, *cells, f"{crops.value / slide.value:.1f}")


def _shown(name: str, found: Measurement) -> str:
    if found.value is None:
        return str(found.status) if found.status.is_known else ""
    if name.endswith("_diff"):
        return f"{found.value:.1e}"
    return show(found.value, METRICS[name].unit)
