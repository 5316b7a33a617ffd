"""Detectors with trackers: quality of the tracks, beside that with the true boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnnbench.metrics import METRICS, column
from cnnbench.probes.probe import setting_of
from cnnbench.probes.tracking.settings import TRUTH, TrackingSetting
from cnnbench.record import Record, model_title
from cnnbench.report.sections.section import Block, Section
from cnnbench.results.report import Report
from cnnbench.results.tables import Run
from cnnbench.row import Row
from cnnbench.units import show

_TITLE = "Tracking: detectors and trackers"
_INTRODUCTION = (
    "HOTA, MOTA, IDF1 and identity switches of all sequences together, by TrackEval; classes are "
    "not compared. Intervals are over the sequences and, from two on, over the seeds of the "
    "detector. With the true boxes, errors are the tracker's own. The tracker's time does not "
    "include the detector's: network, decoding and suppression in batches, per frame."
)
_SHOWN = ("hota", "mota", "idf1", "id_switches", "tracker_s", "detector_s")
_TRUE_BOXES = "true boxes"


def section(run: Run) -> Section | None:
    """Return the section of a run; None where nothing was tracked."""
    found = _settings(run.raw)
    blocks: list[Block] = []
    notes: list[str] = []
    for sequences, members in found.items():
        rows = list(_rows(run.measured, members))
        if rows:
            heads = ("Boxes of", "Tracker", *(METRICS[name].title for name in _SHOWN))
            blocks.append(Block(sequences, heads, tuple(rows)))
            notes += _causes(run.measured, members)
    if not blocks:
        return None
    return Section(
        "tracking",
        "Tracking",
        _TITLE,
        _INTRODUCTION,
        tuple(blocks),
        "Where errors come from",
        tuple(dict.fromkeys(notes)),
    )


def _settings(records: Sequence[Record]) -> dict[str, dict[str, dict[str, TrackingSetting]]]:
    """Return sequences -> name of the row -> label -> setting of each cell, in order."""
    found: dict[str, dict[str, dict[str, TrackingSetting]]] = {}
    for record in records:
        if record.probe != TrackingSetting.probe:
            continue
        setting = setting_of(record)
        assert isinstance(setting, TrackingSetting)
        cells = found.setdefault(setting.sequences_label(), {})
        name = model_title(record.model, record.variant)
        cells.setdefault(name, {})[setting.label()] = setting
    return found


def _rows(
    report: Report, members: dict[str, dict[str, TrackingSetting]]
) -> Iterator[tuple[str, ...]]:
    """Yield the lines of detectors, then those with the true boxes, once for each tracker."""
    of_truth: dict[str, tuple[str, ...]] = {}
    for row in report:
        for setting in members.get(row.name, {}).values():
            cells = _cells(row, setting)
            if setting.detections == TRUTH:
                of_truth.setdefault(setting.tracker_label, (_TRUE_BOXES, *cells))
            else:
                yield (_name(row.name, setting, members), *cells)
    yield from of_truth.values()


def _name(
    row: str, setting: TrackingSetting, members: dict[str, dict[str, TrackingSetting]]
) -> str:
    """Return the name of a detector, with training and thresholds if there are several."""
    settings = [one for of_row in members.values() for one in of_row.values()]
    found = {one.footage_label() for one in settings if one.detections != TRUTH}
    return f"{row} ({setting.footage_label()})" if len(found) > 1 else row


def _cells(row: Row, setting: TrackingSetting) -> tuple[str, ...]:
    shown = []
    for name in _SHOWN:
        found = row.get(column(name, setting.label_for(name)))
        unit = METRICS[name].unit
        if found.value is None:
            shown.append(str(found.status) if found.status.is_known else "")
        elif name in ("hota", "mota", "idf1"):
            shown.append(found.show(unit) + " ?" * found.is_doubtful)
        else:
            shown.append(show(found.value, unit) + " ?" * found.is_doubtful)
    return setting.tracker_label, *shown


def _causes(report: Report, members: dict[str, dict[str, TrackingSetting]]) -> Iterator[str]:
    """Yield for each detector and tracker how much HOTA the true boxes would add."""
    rows = {row.name: row for row in report}
    truth: dict[str, float] = {}
    for name, settings in members.items():
        for label, setting in settings.items():
            value = rows[name].get(column("hota", label)).value if name in rows else None
            if setting.detections == TRUTH and value is not None:
                truth.setdefault(setting.tracker_label, value)
    for name, settings in members.items():
        for label, setting in settings.items():
            value = rows[name].get(column("hota", label)).value if name in rows else None
            best = truth.get(setting.tracker_label)
            if setting.detections == TRUTH or value is None or best is None:
                continue
            cause = "the detector" if best - value > 1 - best else "the tracker"
            title = _name(name, setting, members)
            yield (
                f"{title} with {setting.tracker_label}: HOTA {show(value, 'fraction')}, and "
                f"{show(best, 'fraction')} with the true boxes: most errors come from {cause}"
            )
