"""Comparison as text for a terminal and as HTML for a notebook."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cnnbench.metrics import METRICS, split
from cnnbench.selection.compare.result import Compared, Comparison
from cnnbench.selection.compare.verdicts import UNVERIFIED, Outcome
from cnnbench.text import html_table, plural, printable

_TEXTS, _NUMBERS = ("Model", "Metric"), ("Base", "New", "New ÷ base")
_CORRECTED = "Drift-corrected"
LEGEND = (
    f"{_CORRECTED}: new ÷ base with each sample divided by the reference timed with it; the "
    "verdict is based on it."
)
_SCREEN = 24
_VERIFIED: tuple[Outcome, ...] = ("worse", "better", "changed", "not separated", "same")
_ORDER = ("worse", "better", "changed", *UNVERIFIED, "not separated", "same")


def as_text(comparison: Comparison, width: int = 160) -> str:
    """Return changes of the environment, one row per number (regressions first), and totals.

    In long tables, numbers that are the same are only counted.
    """
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False, no_color=True)

    def write(line: str) -> None:
        console.print(printable(line), markup=False, soft_wrap=True)

    for head, lines in [*changes(comparison), *missing(comparison)]:
        write(head)
        for line in lines:
            write(f"  {line}")
    rows = ordered(comparison)
    news = [row for row in rows if row.verdict != "same"]
    is_long = len(rows) > _SCREEN
    shown = news if is_long else rows
    table = Table(box=None, pad_edge=False)
    for head in heads(shown):
        is_text = head in (*_TEXTS, "Verdict")
        # If cut, two settings or parameters of a model would look the same.
        table.add_column(head, justify="left" if is_text else "right", overflow="fold")
    for row in shown:
        table.add_row(*(escape(printable(text)) for text in cells(row, shown)))
    if table.rows:
        console.print(table)
    if has_corrected(shown):
        write(LEGEND)
    for line in headline(comparison):
        write(line)
    if is_long and len(news) < len(rows):
        write("Use --format md, --json or --metric to list the numbers that are the same.")
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def as_html(comparison: Comparison) -> str:
    """Return a comparison as a small table for a notebook, regressions first."""
    rows = [row for row in ordered(comparison) if row.verdict != "same"]
    lines = [cells(row, rows) for row in rows]
    return html_table(heads(rows), lines, "; ".join(headline(comparison)))


def headline(comparison: Comparison) -> Iterator[str]:
    """Yield the result and what was not verified, one line each."""
    counts = Counter(row.verdict for row in comparison.rows)
    words = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _VERIFIED if counts[verdict])
    unverified = comparison.unverified
    if count := len(comparison.regressions):
        head = plural(count, "regression")
    elif not words:
        head = "Nothing was compared"
    else:
        head = "No regression in what was compared" if unverified else "No regression"
    yield f"{head}: {words}" if words else head
    if unverified:
        yield f"Not verified: {', '.join(map(str, unverified))}"


def changes(comparison: Comparison) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what changed apart from the numbers: a heading and its lines."""
    found = comparison.changes
    words = ": times are not comparable (--accept FACT or --force compares them)"
    for head, lines in (
        (f"The environment changed{'' if comparison.comparable else words}", found.environment),
        ("Only in base", found.only_in_base),
        ("Only in new", found.only_in_new),
        ("Input changed", found.inputs),
    ):
        if lines:
            yield head, lines


def missing(comparison: Comparison) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the columns that a side lacks, of networks that both have: a heading and its lines."""
    verdicts: tuple[Outcome, ...] = ("missing in new", "missing in base")
    for verdict in verdicts:
        if lines := tuple(_lacking(comparison, verdict)):
            yield verdict.capitalize(), lines


def _lacking(comparison: Comparison, verdict: Outcome) -> Iterator[str]:
    """Yield a line for each column that one side lacks."""
    networks: dict[tuple[str, str], list[str]] = {}
    for row in comparison.common:
        if row.verdict == verdict:
            networks.setdefault((_metric(row), row.note), []).append(row.name)
    everyone = {row.name for row in comparison.common}
    for (metric, note), members in networks.items():
        who = "all networks" if len(members) == len(everyone) > 1 else ", ".join(members)
        yield f"{metric}: {who}" + (f" ({note})" if note else "")


def ordered(comparison: Comparison) -> list[Compared]:
    """Return the rows with something on both sides, the most important first."""
    lost = ("missing in new", "missing in base")
    rows = [row for row in comparison.common if row.verdict not in lost]
    return sorted(rows, key=lambda row: _ORDER.index(row.verdict))


def heads(rows: Sequence[Compared]) -> list[str]:
    """Return the headings of a table that shows ``rows``."""
    corrected = [_CORRECTED] if has_corrected(rows) else []
    return [*_TEXTS, *_NUMBERS, *corrected, "Verdict"]


def has_corrected(rows: Sequence[Compared]) -> bool:
    """Return whether a table that shows ``rows`` has a column of drift-corrected ratios."""
    return any(row.corrected_ratio is not None for row in rows)


def cells(row: Compared, rows: Sequence[Compared]) -> list[str]:
    """Return the cells of a row in a table that shows ``rows``."""
    verdict = f"{row.verdict} ({row.note})" if row.note else row.verdict
    # The interval is shown next to the ratio that the verdict is based on.
    is_corrected = row.corrected_ratio is not None
    ratios = [_ratio(row.ratio, None if is_corrected else row.ratio_ci)]
    if has_corrected(rows):
        ratios.append(_ratio(row.corrected_ratio, row.corrected_ratio_ci))
    return [row.name, _metric(row), row.show(row.base), row.show(row.new), *ratios, verdict]


def _metric(row: Compared) -> str:
    base, label = split(row.metric)
    return f"{METRICS[base].title} {label}".strip()


def _ratio(ratio: float | None, interval: tuple[float, float] | None) -> str:
    if ratio is None:
        return ""
    if interval is None:
        return f"{ratio:.4g}"
    return f"{ratio:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"
