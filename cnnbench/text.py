"""Text for terminals: shapes, and text from elsewhere without its control characters."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    r"""``text`` in one line, its control characters written out: ``\x1b``, ``\n``.

    A terminal obeys them: they move its cursor, change its title, hide what was printed before.
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def printable_lines(text: str) -> str:
    """`printable` for a finished text of several lines, whose line ends stay."""
    return "\n".join(map(printable, text.split("\n")))


def shape_text(sizes: Iterable[object]) -> str:
    """Write a shape as ``224x224x3``, with ``?`` for a size that is None."""
    return "x".join("?" if size is None else str(size) for size in sizes)
