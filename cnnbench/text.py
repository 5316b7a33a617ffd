"""Small pieces of text: untrusted text made safe, messages, tensor shapes, tables in HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

_MOST_ROWS = 50  # of a table in a notebook
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NUMBER = re.compile(r"([0-9]+)")
# The beginning of a text that a spreadsheet would run; the page copies its table by the same rule.
FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


def printable(text: str) -> str:
    r"""Return ``text`` in one line with its control characters escaped: ``\x1b``, ``\n``.

    Control characters in text from elsewhere (model names, file names, journals) could move the
    cursor, change the terminal's title or hide earlier output.
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def printable_lines(text: str) -> str:
    """Return ``text`` with every line made `printable`; the line ends stay."""
    return "\n".join(map(printable, text.split("\n")))


def neutral(value: Any) -> Any:
    """Return text with an apostrophe before what a spreadsheet would run, even if it has some."""
    return "'" + value if isinstance(value, str) and FORMULA.match(value) else value


def shape_text(sizes: Iterable[object]) -> str:
    """Return a shape as text: ``224x224x3``, with ``?`` for a size that is None."""
    return "x".join("?" if size is None else str(size) for size in sizes)


def natural(name: str) -> tuple[list[str | int], str]:
    """Return a key for sorting names, the numbers in them by value: ``f2`` before ``f10``."""
    parts: list[str | int] = list(_NUMBER.split(name))
    parts[1::2] = [int(part) for part in parts[1::2]]
    return parts, name  # the name tells 1 from 01


def plural(count: int, noun: str, many: str = "") -> str:
    """Return a count with its noun: ``1 job``, ``2 jobs``; ``many`` if that is not the noun + s."""
    return f"{count} {noun if count == 1 else many or noun + 's'}"


def pydantic_message(error: ValidationError | Mapping[str, Any]) -> str:
    """Return the message of a pydantic error without the prefix for `ValueError`.

    ``error`` is one of its details, or the whole, of which the first message is returned.
    """
    details = error if isinstance(error, Mapping) else error.errors()[0]
    return str(details["msg"]).removeprefix("Value error, ")


def html_table(heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """Return an HTML table of texts, escaped, for a notebook; of more than 50 rows the first 50."""

    def line(tag: str, texts: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{_escaped(text)}</{tag}>" for text in texts) + "</tr>"

    more = len(rows) - _MOST_ROWS
    last = [f'<tr><td colspan="{len(heads)}">and {more} more</td></tr>'] if more > 0 else []
    title = [f"<caption>{_escaped(caption)}</caption>"] if caption else []
    lines = [*title, line("th", heads), *(line("td", row) for row in rows[:_MOST_ROWS]), *last]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _escaped(text: str) -> str:
    return html.escape(printable(text))
