"""Published next to measured figures as a section of a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cnnbench.metrics import split
from cnnbench.report.sections.published import MIB, Beside, Times, beside, published_macs
from cnnbench.report.sections.section import Block, Section, measured_time
from cnnbench.results.report import Report
from cnnbench.row import Row
from cnnbench.units import show

_TITLE = "Published and measured figures"
_INTRODUCTION = (
    "Published: Table 14-3 of the book and keras.io, which agree in every figure; MACs are from "
    "the original papers. Published times are per step (a batch of 32) on a 92-core AMD EPYC and a "
    "Tesla A100. In brackets: the rank, 1 is the fastest."
)
_CORRELATION = "Rank correlation of published and measured times (Spearman, 95 % interval)"


def section(report: Report) -> Section | None:
    """Return the section of a report; None with too few published networks."""
    found = beside(report)
    if found is None:
        return None
    blocks = (_counts(found), _times(found), _accuracies(found, report), _correlations(found))
    return Section(
        "published",
        "Published",
        _TITLE,
        _INTRODUCTION,
        blocks,
        "Differences and their causes",
        found.notes,
    )


def _counts(found: Beside) -> Block:
    published = ("Size, published", "Params, published", "MACs, paper")
    heads = ("Model", *(head for name in published for head in (name, "here")))
    rows = [
        (
            row.name,
            _value(row, "published_size_bytes", _mib),
            _value(row, "weight_bytes", _mib),
            _value(row, "published_params", _whole),
            _value(row, "params", _whole),
            show(published_macs(row), "count") or "-",
            _value(row, "macs", _count),
        )
        for row in found.rows
    ]
    return Block("Size and counts", heads, tuple(rows))


def _times(found: Beside) -> Block:
    by_setting = {pairs.setting: pairs for pairs in found.times}
    devices = [d for d in ("cpu", "gpu") if _has(found.rows, f"published_{d}_s")]
    heads, columns = ["Model"], [[row.name for row in found.rows]]
    for device in devices:
        settings = [s for s in found.settings if s.split("/")[0] == device]
        first = by_setting.get(settings[0]) if settings else None
        heads.append(f"{device.upper()} step, published")
        columns.append([_placed(row, f"published_{device}_s", first) for row in found.rows])
        for setting in settings:
            heads.append(setting)
            columns.append([_timed(row, setting, by_setting.get(setting)) for row in found.rows])
        if not settings:
            heads.append(f"{device.upper()}, here")
            columns.append(["not measured"] * len(found.rows))
    return Block("Time per step", tuple(heads), tuple(zip(*columns, strict=True)))


def _accuracies(found: Beside, report: Report) -> Block:
    measured = [
        name
        for name in report.numbers
        if split(name)[0] in ("top1", "top5") and _is_imagenet(split(name)[1])
    ]
    heads = ("Model", "Top-1, published", "Top-5, published")
    rows = [
        (
            row.name,
            _value(row, "published_top1", _percent),
            _value(row, "published_top5", _percent),
            *(_value(row, name, _percent) for name in measured),
        )
        for row in found.rows
    ]
    title = "ImageNet accuracy: published" + (
        " and measured here" if measured else ", not measured"
    )
    return Block(title, (*heads, *(f"{_short(name)}, here" for name in measured)), tuple(rows))


def _correlations(found: Beside) -> Block:
    rows = tuple((pairs.setting, *pairs.correlation.words) for pairs in found.times)
    return Block(_CORRELATION, ("Measured", "Models", "rho", "Interval"), rows)


def _placed(row: Row, name: str, pairs: Times | None) -> str:
    value = row.read(name).value
    place = pairs.places.get(row.name) if pairs else None
    return (show(value, "s") or "-") + (f" ({place[0]})" if value and place else "")


def _timed(row: Row, setting: str, pairs: Times | None) -> str:
    found = measured_time(row, setting)
    if found.value is None:
        return found.status.short or "-"
    place = pairs.places.get(row.name) if pairs else None
    doubt = " ?" if found.is_doubtful else ""
    return show(found.value, "s") + (f" ({place[1]})" if place else "") + doubt


def _has(rows: Sequence[Row], name: str) -> bool:
    return any(row.read(name).value is not None for row in rows)


def _value(row: Row, name: str, words: Callable[[float], str]) -> str:
    value = row.read(name).value
    return "-" if value is None else words(value)


def _mib(value: float) -> str:
    return f"{value / MIB:.1f} MiB" if value % MIB else f"{value / MIB:.0f} MiB"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _count(value: float) -> str:
    return show(value, "count")


def _percent(value: float) -> str:
    return show(value, "fraction")


def _is_imagenet(label: str) -> bool:
    """Return whether an accuracy is of the published weights on a user's folder."""
    parts = label.split("/")
    return parts[1:2] == ["pretrained"] and not any(part.startswith("weights") for part in parts)


def _short(name: str) -> str:
    base, label = split(name)
    return f"{'Top-1' if base == 'top1' else 'Top-5'} {label}"
