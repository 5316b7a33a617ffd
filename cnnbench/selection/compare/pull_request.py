"""Comparison as Markdown for a pull request: what changed in one screen, the rest folded.

GitHub limits a comment to 65,536 characters, so a folded list has a limit as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from cnnbench.markdown import markdown
from cnnbench.selection.compare import text
from cnnbench.selection.compare.result import Compared, Comparison
from cnnbench.selection.compare.verdicts import UNVERIFIED
from cnnbench.text import plural

MOST_LINES = 30
"""Lines outside of folded blocks, of which each counts as one."""

_CHANGED = ("worse", "better", "changed")
_MOST_FAILURES = 4
_MOST_FOLDED = 100  # rows or lines of a folded block
_WHERE = "`cnnbench compare --json` lists all"
_TABLE_LINES = 3  # heading, alignment, and the blank line below


def as_markdown(comparison: Comparison) -> str:
    """Return the result, failed checks and changed numbers; everything else is folded.

    At most `MOST_LINES` lines are outside of folded blocks: changes beyond them are folded too.
    """
    rows = text.ordered(comparison)
    changed = [row for row in rows if row.verdict in _CHANGED]
    head = [*_headline(comparison), *_failures(comparison)]
    folds = list(_folds(comparison, rows))
    legend = [markdown(text.LEGEND)] if text.has_corrected(rows) else []
    room = MOST_LINES - len(head) - len(folds) - len(legend) - _TABLE_LINES
    if len(changed) > room:
        room -= 1  # the folded block of the rest
        rest = f"{len(changed) - room} more changed"
        folds = [_folded(rest, _table(changed[room:])), *folds]
    table = [*_table(changed[:room]), ""] if changed else []
    return "\n".join([*head, *table, *chain(*folds), *legend]) + "\n"


def _headline(comparison: Comparison) -> Iterator[str]:
    for line in text.headline(comparison):
        yield f"**{markdown(line)}**"
        yield ""


def _failures(comparison: Comparison) -> Iterator[str]:
    """Yield the failed checks of ``--strict`` and ``--require`` as a list."""
    failures = comparison.failures
    shown = failures if len(failures) <= _MOST_FAILURES else failures[: _MOST_FAILURES - 1]
    yield from (f"- {markdown(line)}" for line in shown)
    if len(failures) > len(shown):
        yield f"- {len(failures) - len(shown)} more failed checks; {_WHERE}"
    if failures:
        yield ""


def _folds(comparison: Comparison, rows: Sequence[Compared]) -> Iterator[list[str]]:
    """Yield everything but the changed numbers, each kind as a folded block."""
    for head, members in text.changes(comparison):
        yield _folded(head, _list(members))
    unverified = [row for row in rows if row.verdict in UNVERIFIED]
    lists = [[f"{head}:", "", *_list(lines), ""] for head, lines in text.missing(comparison)]
    if unverified or lists:
        count = sum(row.verdict in UNVERIFIED for row in comparison.common)
        table = _table(unverified) if unverified else []
        yield _folded(f"{plural(count, 'number')} not verified", [*chain(*lists), *table])
    for verdict, summary in (("not separated", "not separated"), ("same", "the same")):
        found = [row for row in rows if row.verdict == verdict]
        if found:
            yield _folded(f"{len(found)} {summary}", _table(found))


def _folded(summary: str, lines: Sequence[str]) -> list[str]:
    """Return a folded block; the summary is HTML, where Markdown has no meaning."""
    return [f"<details><summary>{summary}</summary>", "", *lines, "", "</details>", ""]


def _list(lines: Sequence[str]) -> list[str]:
    shown = [f"- {markdown(line)}" for line in lines[:_MOST_FOLDED]]
    more = len(lines) - len(shown)
    return [*shown, f"- {more} more; {_WHERE}"] if more else shown


def _table(rows: Sequence[Compared]) -> list[str]:
    shown = rows[:_MOST_FOLDED]
    heads = text.heads(shown)
    lines = ["| " + " | ".join(heads) + " |", "|---|---|" + "---:|" * (len(heads) - 3) + "---|"]
    for row in shown:
        cells = [markdown(cell) for cell in text.cells(row, shown)]
        if row.verdict in ("worse", "better"):
            cells[-1] = f"**{cells[-1]}**"
        lines.append("| " + " | ".join(cells) + " |")
    more = len(rows) - len(shown)
    return [*lines, "", f"{more} more; {_WHERE}"] if more else lines
