"""A comparison for a terminal and, as a pull request's comment, for Markdown."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cnnbench.core.metrics import METRICS, split
from cnnbench.core.terminal import printable
from cnnbench.report.compare.comparison import Compared, Comparison
from cnnbench.report.compare.verdicts import Verdict
from cnnbench.report.markdown import markdown

_HEADS = ("Model", "Metric", "Base", "New", "New ÷ base", "Verdict")
_SCREEN = 24
_ORDER: tuple[Verdict, ...] = ("worse", "better", "cannot tell", "not comparable", "same")


def as_text(comparison: Comparison, width: int) -> str:
    """What changed first, then a row a number, regressions first, then the sum.

    Of more rows than a screen has, those that are the same are only counted.
    """
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False, no_color=True)
    for head, lines in _changes(comparison):
        console.print(head, markup=False, soft_wrap=True)
        for line in lines:
            console.print(f"  {printable(line)}", markup=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for head in _HEADS:
        is_text = head in ("Model", "Metric", "Verdict")
        # Cut, two settings or two parameters of a model could not be told apart.
        table.add_column(head, justify="left" if is_text else "right", overflow="fold")
    rows = _ordered(comparison)
    news = [row for row in rows if row.verdict != "same"]
    is_long = len(rows) > _SCREEN
    for row in news if is_long else rows:
        table.add_row(*(escape(printable(text)) for text in _cells(row)))
    if table.rows:
        console.print(table)
    console.print(_sum(comparison), markup=False, soft_wrap=True)
    if is_long and len(news) < len(rows):
        console.print(
            "What is the same is listed by --format md, --json or --metric.", markup=False
        )
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def as_markdown(comparison: Comparison) -> str:
    """The same as Markdown: what is the same is folded away."""
    lines = [f"**{markdown(_sum(comparison))}**", ""]
    for head, members in _changes(comparison):
        lines += [markdown(head), "", *(f"- {markdown(line)}" for line in members), ""]
    rows = _ordered(comparison)
    news = [row for row in rows if row.verdict != "same"]
    same = [row for row in rows if row.verdict == "same"]
    if news:
        lines += [*_markdown_table(news), ""]
    if same:
        summary = f"<details><summary>{len(same)} the same</summary>"
        lines += [summary, "", *_markdown_table(same), "", "</details>", ""]
    return "\n".join(lines)


def _markdown_table(rows: list[Compared]) -> Iterator[str]:
    yield "| " + " | ".join(_HEADS) + " |"
    yield "|---|---|---:|---:|---:|---|"
    for row in rows:
        cells = [markdown(text) for text in _cells(row)]
        if row.verdict in ("worse", "better"):
            cells[-1] = f"**{cells[-1]}**"
        yield "| " + " | ".join(cells) + " |"


def _changes(comparison: Comparison) -> Iterator[tuple[str, tuple[str, ...]]]:
    found = comparison.changes
    words = "" if comparison.comparable else ": times are not comparable (--force compares them)"
    for head, lines in (
        (f"The environment changed{words}", found.environment),
        ("Only in base", found.only_in_base),
        ("Only in new", found.only_in_new),
        ("Settings changed", found.settings),
    ):
        if lines:
            yield head, lines


def _ordered(comparison: Comparison) -> list[Compared]:
    return sorted(comparison.rows, key=lambda row: _ORDER.index(row.verdict))


def _cells(row: Compared) -> list[str]:
    verdict = f"{row.verdict} ({row.note})" if row.note else row.verdict
    base, label = split(row.metric)
    metric = f"{METRICS[base].title} {label}".strip()
    return [row.name, metric, row.show(row.base), row.show(row.new), _ratio(row), verdict]


def _ratio(row: Compared) -> str:
    if row.ratio is None:
        return ""
    if row.ratio_ci is None:
        return f"{row.ratio:.4g}"
    return f"{row.ratio:.3f} ({row.ratio_ci[0]:.3f} to {row.ratio_ci[1]:.3f})"


def _sum(comparison: Comparison) -> str:
    counts = Counter(row.verdict for row in comparison.rows)
    words = [f"{counts[verdict]} {verdict}" for verdict in _ORDER if counts[verdict]]
    count = len(comparison.regressions)
    head = f"{count} regression{'s' * (count != 1)}" if count else "No regression"
    return f"{head}: {', '.join(words)}"
