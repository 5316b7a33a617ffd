"""Published beside measured as blocks of words, the same for a terminal, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from cnnbench.core.metrics import column, split
from cnnbench.core.units import show
from cnnbench.report.merge import Row
from cnnbench.report.published import (
    MIB,
    Beside,
    Times,
    beside,
    measured_time,
    published_macs,
)
from cnnbench.report.table import markdown

TITLE = "Published beside measured"
INTRODUCTION = (
    "Published: Table 14-3 of the book and keras.io, which agree in every figure; MACs are the "
    "papers'. A published time is of a step, a batch of 32, on a 92-core AMD EPYC and a Tesla "
    "A100. In brackets: the place, the fastest first."
)
_CORRELATION = "Rank correlation of published and measured times (Spearman, 95 % interval)"


@dataclass(frozen=True)
class Block:
    """A table of words; its first column is left-aligned."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """What is shown: tables, then what disagrees and why."""

    blocks: tuple[Block, ...]
    notes: tuple[str, ...]


def section(report: pd.DataFrame) -> Section | None:
    """The section of a report; None where too little was published of its networks."""
    found = beside(report)
    if found is None:
        return None
    blocks = (_counts(found), _times(found), _accuracies(found, report), _correlations(found))
    return Section(blocks, found.notes)


def as_text(report: pd.DataFrame) -> str:
    """The section as plain text, or nothing."""
    found = section(report)
    return "\n".join(["", *_text_lines(found)]) + "\n" if found else ""


def as_markdown(report: pd.DataFrame) -> str:
    """The section as Markdown, or nothing."""
    found = section(report)
    return "\n".join(["", *_markdown_lines(found)]) + "\n" if found else ""


def _text_lines(found: Section) -> Iterator[str]:
    yield from (TITLE, "", INTRODUCTION)
    for block in found.blocks:
        lines = [block.heads, *block.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(block.heads))]
        yield from ("", block.title)
        for first, *rest in lines:
            cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
            yield "  ".join([first.ljust(widths[0]), *cells]).rstrip()
    if found.notes:
        yield from ("", "What disagrees, and why", *(f"- {note}" for note in found.notes))


def _markdown_lines(found: Section) -> Iterator[str]:
    yield from (f"## {TITLE}", "", markdown(INTRODUCTION))
    for block in found.blocks:
        yield from ("", f"**{markdown(block.title)}**", "")
        yield "| " + " | ".join(markdown(head) for head in block.heads) + " |"
        yield "|---" + "|---:" * (len(block.heads) - 1) + "|"
        yield from ("| " + " | ".join(map(markdown, row)) + " |" for row in block.rows)
    if found.notes:
        yield from ("", "**What disagrees, and why**", "")
        yield from (f"- {markdown(note)}" for note in found.notes)


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


def _accuracies(found: Beside, report: pd.DataFrame) -> Block:
    measured = [
        str(name)
        for name in report.columns
        if split(str(name))[0] in ("top1", "top5") and _is_imagenet(split(str(name))[1])
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
    rows = []
    for pairs in found.times:
        one = pairs.correlation
        rows.append(
            (
                pairs.setting,
                str(one.count),
                f"{one.rho:.2f}",
                f"{one.low:.2f} to {one.high:.2f}",
            )
        )
    return Block(_CORRELATION, ("Measured", "Models", "rho", "Interval"), tuple(rows))


def _placed(row: Row, name: str, pairs: Times | None) -> str:
    value = row.read(name).value
    place = pairs.places.get(row.name) if pairs else None
    return (show(value, "s") or "-") + (f" ({place[0]})" if value and place else "")


def _timed(row: Row, setting: str, pairs: Times | None) -> str:
    found = row.read(column("latency_p50_s", setting))
    value = measured_time(row, setting)
    if value is None:
        return found.status.split(":")[0] or "-"
    place = pairs.places.get(row.name) if pairs else None
    doubt = " ?" if found.verdict.startswith("unstable") else ""
    return show(value, "s") + (f" ({place[1]})" if place else "") + doubt


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
    """Whether an accuracy is of the published weights on a folder of the user's."""
    parts = label.split("/")
    return parts[1:2] == ["pretrained"] and not any(part.startswith("weights") for part in parts)


def _short(name: str) -> str:
    base, label = split(name)
    return f"{'Top-1' if base == 'top1' else 'Top-5'} {label}"
