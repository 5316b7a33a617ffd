"""Published next to measured figures as a section of a report."""

from __future__ import annotations

from collections.abc import Sequence

from cnnbench.metrics import METRICS, QUALITY, split
from cnnbench.probes.accuracy.training_config import IMAGENET, PRETRAINED
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
_WEIGHTS = {"recipe": PRETRAINED, "weights": IMAGENET}  # the published ones, on a user's folder
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
    names = ("published_size_bytes", "weight_bytes", "published_params", "params")
    rows = [
        (
            row.name,
            *(_value(row, name) for name in names),
            show(published_macs(row), "count") or "-",
            _value(row, "macs"),
        )
        for row in found.rows
    ]
    return Block("Size and counts", heads, tuple(rows))


def _times(found: Beside) -> Block:
    by_setting = {pairs.setting: pairs for pairs in found.times}
    devices = [d for d in ("cpu", "gpu") if _has(found.rows, f"published_{d}_s")]
    heads, columns = ["Model"], [[row.name for row in found.rows]]
    for device in devices:
        settings = [label for label, of in found.settings.items() if of == device]
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
    titles = {name: metric.metric.title for name, metric in QUALITY.items()}
    published = [
        name
        for name in titles
        if f"published_{name}" in METRICS and _has(found.rows, f"published_{name}")
    ]
    measured = [
        name
        for name in report.numbers
        if split(name)[0] in published and _WEIGHTS.items() <= report.axes(name).items()
    ]
    columns = [*(f"published_{name}" for name in published), *measured]
    heads = [f"{titles[name]}, published" for name in published]
    for name in measured:
        metric, label = split(name)
        heads.append(f"{titles[metric]} {label}, here")
    rows = [(row.name, *(_value(row, name) for name in columns)) for row in found.rows]
    title = "ImageNet accuracy: published" + (
        " and measured here" if measured else ", not measured"
    )
    return Block(title, ("Model", *heads), tuple(rows))


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


def _value(row: Row, name: str) -> str:
    """Return a number as the tables print it: parameters whole, sizes in MiB."""
    value, unit = row.read(name).value, METRICS[split(name)[0]].unit
    if value is None:
        return "-"
    if unit == "bytes":
        return f"{value / MIB:.1f} MiB" if value % MIB else f"{value / MIB:.0f} MiB"
    return f"{value:,.0f}" if name.endswith("params") else show(value, unit)
